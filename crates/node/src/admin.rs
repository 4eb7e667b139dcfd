//! What a node tells its operators, and how they ask: the service of `proto/admin.proto`, and its client.
//!
//! The service reads and never changes anything. Its types stay inside this module and the command line: the core
//! knows nothing of them.

pub(crate) mod client;
mod service;
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    reason = "made from proto/admin.proto as its compiler writes it"
)]
pub(crate) mod wire {
    tonic::include_proto!("quartet.admin.v1");
}

pub(crate) use service::routes;

/// The version of requests and replies.
pub(crate) const VERSION: u32 = 1;
