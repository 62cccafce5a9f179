//! The kernel takes the programs, and they do not ask much of its verifier.
use anyhow::Result;
use ringfence_abi::names;
use ringfence_integration::testrun::{Rig, rig::Capacity};

/// The kernel gives up at a million; what is far from it has room on kernels whose verifier prunes less.
const COMPLEXITY: u32 = 200_000;

#[test]
fn every_program_passes_the_verifier_with_room_to_spare() -> Result<()> {
    let mut rig = Rig::new(Capacity::default())?;
    for name in names::PROGRAMS {
        if let Some(walked) = rig.complexity(name)? {
            println!("{name}: {walked} instructions walked");
            assert!(walked < COMPLEXITY, "{name}: {walked}");
        }
    }
    Ok(())
}
