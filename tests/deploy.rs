//! What `deploy/` holds is what the program takes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use quartet_tests::{quartet, story};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn the_example_configuration_is_right() -> Result<()> {
    story(LIMIT, async {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/quartet.toml");
        quartet([Path::new("config"), Path::new("check"), Path::new("--config"), &file])
            .await?
            .expect_code(0)?;
        Ok(())
    })
}
