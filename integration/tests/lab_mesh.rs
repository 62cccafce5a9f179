//! The mesh of three nodes over userspace WireGuard: reachability, healing, no leak. As root.
use anyhow::Result;
use ringfence::apply::mesh::BackendChoice;
use ringfence::plan::mesh::Action;
use ringfence_integration::mesh_lab::MeshLab;

fn lab(label: &str) -> Result<MeshLab> {
    let lab = MeshLab::new(label, 3, BackendChoice::Userspace)?;
    println!("{}", lab.enter_hints());
    lab.up()?;
    Ok(lab)
}

#[test]
fn pods_of_three_nodes_reach_each_other_in_both_families_and_a_second_convergence_does_nothing() -> Result<()>
{
    let lab = lab("rfm-reach")?;
    for number in 1..=3 {
        assert_eq!(lab.converge(number)?.done, Vec::<Action>::new(), "n{number}");
        let attached = lab.node(number)?.attached();
        assert_eq!(attached, [("rf-wg0".to_owned(), false), ("rf-wg1".to_owned(), false)]);
    }
    Ok(())
}
