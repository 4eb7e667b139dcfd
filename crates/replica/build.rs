//! Compiles `proto/peer.proto` without `protoc`.

use std::error::Error;
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    writeln!(std::io::stdout(), "cargo:rerun-if-changed={}", include.join("peer.proto").display())?;
    let descriptors = protox::compile(["peer.proto"], [&include])?;
    tonic_prost_build::configure().bytes(".").emit_rerun_if_changed(false).compile_fds(descriptors)?;
    Ok(())
}
