use super::*;

#[test]
fn the_planes_are_two_devices_with_ports_of_their_own() {
    assert_eq!(Plane::ALL.map(Plane::device), ["rf-wg0", "rf-wg1"]);
    assert_eq!(Plane::ALL.map(Plane::default_port), [51871, 51872]);
    assert_eq!(Plane::ALL.map(Plane::index), [0, 1]);
    assert_eq!(PerPlane::DEFAULT_PORTS, PerPlane { zero: 51871, one: 51872 });
}

#[test]
fn the_other_of_the_other_plane_is_the_plane_itself() {
    for plane in Plane::ALL {
        assert_ne!(plane.other(), plane);
        assert_eq!(plane.other().other(), plane);
    }
}

#[test]
fn a_plane_is_named_by_its_device_and_by_nothing_else() {
    for plane in Plane::ALL {
        assert_eq!(plane.to_string().parse::<Plane>().unwrap(), plane);
        assert_eq!(serde_json::to_string(&plane).unwrap(), format!("\"{plane}\""));
        assert_eq!(serde_json::from_str::<Plane>(&format!("\"{plane}\"")).unwrap(), plane);
    }
    for name in ["", "rf-wg2", "rf-wg", "RF-WG0", "0", " rf-wg0", "rf-wg01"] {
        assert_eq!(name.parse::<Plane>(), Err(UnknownPlane { name: name.to_owned() }));
    }
    assert!(serde_json::from_str::<Plane>("0").is_err());
}

#[test]
fn each_plane_keeps_its_own_value() {
    let mut ports = PerPlane::DEFAULT_PORTS;
    *ports.get_mut(Plane::One) = 7;
    assert_eq!((*ports.get(Plane::Zero), *ports.get(Plane::One)), (51871, 7));
    assert_eq!(ports.iter().collect::<Vec<_>>(), [(Plane::Zero, &51871), (Plane::One, &7)]);
    assert_eq!(ports.map(|plane, port| (plane, port)).one, (Plane::One, 7));
    assert_eq!(PerPlane::from_fn(Plane::other), PerPlane { zero: Plane::One, one: Plane::Zero });
    let failed: Result<PerPlane<()>, Plane> =
        PerPlane::try_from_fn(|plane| if plane == Plane::One { Err(plane) } else { Ok(()) });
    assert_eq!(failed, Err(Plane::One));
}
