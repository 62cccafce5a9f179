//! Which kernels are warned of.
use crate::mesh::kernels::{version, warning};

#[test]
fn kernels_that_stop_receiving_are_known_from_the_first_with_the_fault_to_the_last() {
    for (first, fixed) in
        [("5.15.186", "5.15.201"), ("6.1.142", "6.1.164"), ("6.6.94", "6.6.127"), ("6.12.34", "6.12.74")]
    {
        let warns = |release: &str| warning(version(release, "#1 SMP"), None).is_some();
        let (series, patch) = fixed.rsplit_once('.').unwrap();
        let last = format!("{series}.{}", patch.parse::<u32>().unwrap() - 1);
        let (series, patch) = first.rsplit_once('.').unwrap();
        let before = format!("{series}.{}", patch.parse::<u32>().unwrap() - 1);
        assert_eq!([before.as_str(), first, &last, fixed].map(warns), [false, true, true, false], "{first}");
        assert!(warning(version(first, ""), Some(true)).unwrap().contains(fixed), "the remedy is named");
    }
    for release in ["5.10.250", "6.8.0-117-generic", "6.16.3", "6.18.44", "7.0.1"] {
        assert_eq!(warning(version(release, "#1 SMP"), None), None, "{release}");
    }
}

#[test]
fn a_kernel_whose_wireguard_does_not_receive_in_threads_is_fine_and_a_vendors_that_does_is_doubted() {
    assert_eq!(warning(Some([6, 12, 40]), Some(false)), None, "somebody has mended it");
    let doubted = warning(version("6.8.0-117-generic", "#117-Ubuntu SMP"), Some(true)).unwrap();
    assert!(doubted.contains("6.8.0") && doubted.contains("cannot be told"), "{doubted}");
    assert_eq!(warning(Some([6, 18, 3]), Some(true)), None, "upstream's own");
    assert_eq!(warning(None, Some(true)), None);
}

#[test]
fn versions_are_read_as_distributions_write_them() {
    let debian = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1 (2025-08-02)";
    for (release, build, expected) in [
        ("6.1.0-38-amd64", debian, Some([6, 1, 147])),
        (
            "6.12.41+deb13-cloud-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.12.41-1 (2025-08-12)",
            Some([6, 12, 41]),
        ),
        ("6.6.95", "#1 SMP", Some([6, 6, 95])),
        ("6.18-rc1", "", Some([6, 18, 0])),
        ("6.1.142-gke.1", "", Some([6, 1, 142])),
        ("kernel", "", None),
        ("", "", None),
    ] {
        assert_eq!(version(release, build), expected, "{release} {build}");
    }
}
