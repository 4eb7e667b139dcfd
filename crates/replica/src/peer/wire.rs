//! Between the messages of `proto/peer.proto` and the types of Raft and of this crate.
//!
//! Votes, log ids and memberships travel as the log's own codec writes them, with version and checksum; an entry's batch
//! travels as it is, uncopied.

use openraft::raft::{AppendEntriesRequest, StreamAppendError, VoteRequest, VoteResponse};
use quartet_broker::{Boot, NodeId, Number, Origin};
use quartet_raft_log::codec::{
    decode_log_id, decode_membership, decode_vote, encode_log_id, encode_membership, encode_vote,
};
use quartet_raft_log::{Batch, CommittedLeaderId, Entry, EntryPayload, LogId, TypeConfig, Vote};
use tonic::Status;

use super::proto;
use crate::codec::batch::Numbered;

pub(crate) type StreamAppendResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

/// What a peer sent does not decode: its bug or another release.
pub(crate) fn malformed(what: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("{what}; run the same release on all nodes"))
}

pub(crate) fn put_vote(vote: &Vote) -> bytes::Bytes {
    let mut out = Vec::with_capacity(32);
    encode_vote(vote, &mut out);
    out.into()
}

pub(crate) fn vote(bytes: &[u8]) -> Result<Vote, Status> {
    decode_vote(bytes).map_err(malformed)
}

pub(crate) fn put_log_id(log_id: Option<&LogId>) -> bytes::Bytes {
    let mut out = Vec::new();
    if let Some(log_id) = log_id {
        encode_log_id(log_id, &mut out);
    }
    out.into()
}

pub(crate) fn log_id(bytes: &[u8]) -> Result<Option<LogId>, Status> {
    if bytes.is_empty() { Ok(None) } else { decode_log_id(bytes).map(Some).map_err(malformed) }
}

fn put_entry(entry: Entry) -> proto::Entry {
    use proto::entry::Payload;
    let payload = match entry.payload {
        EntryPayload::Blank => Payload::Blank(proto::Blank {}),
        EntryPayload::Normal(batch) => Payload::Batch(batch.0),
        EntryPayload::Membership(membership) => {
            let mut out = Vec::new();
            encode_membership(&membership, &mut out);
            Payload::Membership(out.into())
        }
    };
    proto::Entry { term: entry.log_id.leader_id.term, index: entry.log_id.index, payload: Some(payload) }
}

fn entry(entry: proto::Entry) -> Result<Entry, Status> {
    use proto::entry::Payload;
    let payload = match entry.payload.ok_or_else(|| malformed("an entry without a payload"))? {
        Payload::Blank(proto::Blank {}) => EntryPayload::Blank,
        Payload::Batch(bytes) => EntryPayload::Normal(Batch(bytes)),
        Payload::Membership(bytes) => EntryPayload::Membership(decode_membership(&bytes).map_err(malformed)?),
    };
    let leader_id = CommittedLeaderId { term: entry.term };
    Ok(Entry { log_id: LogId::new(leader_id, entry.index), payload })
}

pub(crate) fn put_append(request: AppendEntriesRequest<TypeConfig>) -> proto::AppendRequest {
    proto::AppendRequest {
        vote: put_vote(&request.vote),
        previous: put_log_id(request.prev_log_id.as_ref()),
        entries: request.entries.into_iter().map(put_entry).collect(),
        commit: put_log_id(request.leader_commit.as_ref()),
    }
}

pub(crate) fn append(request: proto::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, Status> {
    Ok(AppendEntriesRequest {
        vote: vote(&request.vote)?,
        prev_log_id: log_id(&request.previous)?,
        entries: request.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        leader_commit: log_id(&request.commit)?,
    })
}

pub(crate) fn put_append_result(result: StreamAppendResult) -> proto::AppendResponse {
    use proto::append_response::Outcome;
    let outcome = match result {
        Ok(flushed) => Outcome::Flushed(put_log_id(flushed.as_ref())),
        Err(StreamAppendError::Conflict(at)) => Outcome::Conflict(put_log_id(Some(&at))),
        Err(StreamAppendError::HigherVote(vote)) => Outcome::HigherVote(put_vote(&vote)),
    };
    proto::AppendResponse { outcome: Some(outcome) }
}

pub(crate) fn append_result(response: proto::AppendResponse) -> Result<StreamAppendResult, Status> {
    use proto::append_response::Outcome;
    Ok(match response.outcome.ok_or_else(|| malformed("an answer without an outcome"))? {
        Outcome::Flushed(bytes) => Ok(log_id(&bytes)?),
        Outcome::Conflict(bytes) => {
            let at = log_id(&bytes)?.ok_or_else(|| malformed("a conflict at no entry"))?;
            Err(StreamAppendError::Conflict(at))
        }
        Outcome::HigherVote(bytes) => Err(StreamAppendError::HigherVote(vote(&bytes)?)),
    })
}

pub(crate) fn put_vote_request(request: &VoteRequest<TypeConfig>, pre_vote: bool) -> proto::VoteRequest {
    proto::VoteRequest {
        vote: put_vote(&request.vote),
        last: put_log_id(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
        pre_vote,
    }
}

pub(crate) fn vote_request(request: &proto::VoteRequest) -> Result<VoteRequest<TypeConfig>, Status> {
    let mut decoded = VoteRequest::new(vote(&request.vote)?, log_id(&request.last)?);
    decoded.leadership_transfer = request.leadership_transfer;
    Ok(decoded)
}

pub(crate) fn put_vote_response(response: &VoteResponse<TypeConfig>) -> proto::VoteResponse {
    proto::VoteResponse {
        vote: put_vote(&response.vote),
        granted: response.vote_granted,
        last: put_log_id(response.last_log_id.as_ref()),
    }
}

pub(crate) fn vote_response(response: &proto::VoteResponse) -> Result<VoteResponse<TypeConfig>, Status> {
    Ok(VoteResponse::new(vote(&response.vote)?, log_id(&response.last)?, response.granted))
}

pub(crate) fn put_segment(segment: Numbered) -> proto::Segment {
    proto::Segment {
        boot: segment.origin.boot.0,
        first: segment.first.0,
        count: segment.count,
        commands: segment.commands,
    }
}

/// A segment of `node`, whose lengths are found to add up.
pub(crate) fn segment(node: NodeId, segment: proto::Segment) -> Result<Numbered, Status> {
    let segment = Numbered {
        origin: Origin { node, boot: Boot(segment.boot) },
        first: Number(segment.first),
        count: segment.count,
        commands: segment.commands,
    };
    segment.check().map_err(malformed)?;
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_id_at(term: u64, index: u64) -> LogId {
        LogId::new(CommittedLeaderId { term }, index)
    }

    #[test]
    fn an_append_comes_back_as_it_was() {
        let members = std::collections::BTreeMap::from([(1, quartet_raft_log::Member::default())]);
        let membership = openraft::Membership::new(vec![[1].into()], members).unwrap();
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(log_id_at(2, 7)),
            entries: vec![
                Entry { log_id: log_id_at(3, 8), payload: EntryPayload::Blank },
                Entry {
                    log_id: log_id_at(3, 9),
                    payload: EntryPayload::Normal(Batch(bytes::Bytes::from_static(b"b"))),
                },
                Entry { log_id: log_id_at(3, 10), payload: EntryPayload::Membership(membership) },
            ],
            leader_commit: None,
        };
        let back = append(put_append(request.clone())).unwrap();
        assert_eq!(
            (back.vote, back.prev_log_id, back.leader_commit),
            (request.vote, request.prev_log_id, None)
        );
        assert_eq!(back.entries, request.entries);
    }

    #[test]
    fn outcomes_come_back_as_they_were() {
        let outcomes: [StreamAppendResult; 4] = [
            Ok(None),
            Ok(Some(log_id_at(1, 2))),
            Err(StreamAppendError::Conflict(log_id_at(3, 4))),
            Err(StreamAppendError::HigherVote(Vote::new(9, 2))),
        ];
        for outcome in outcomes {
            assert_eq!(append_result(put_append_result(outcome.clone())).unwrap(), outcome);
        }
        assert!(append_result(proto::AppendResponse { outcome: None }).is_err());
    }
}
