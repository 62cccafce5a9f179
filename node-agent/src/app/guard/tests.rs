//! What is noted for the next boot, and forgotten.
use super::*;

#[tokio::test]
async fn a_node_that_was_left_for_good_is_let_alone_at_its_next_boot() {
    let dir = tempfile::tempdir().unwrap();
    let cluster: IpNetwork = "10.244.0.0/16".parse().unwrap();
    let hole = RouteSpec { table: 254, destination: cluster, metric: 1_000_000, via: RouteVia::Blackhole };
    let mesh = MeshSpec { routes: [hole].into(), ..MeshSpec::default() };
    note(dir.path(), &mesh).unwrap();
    assert_eq!(read(&dir.path().join(FILE)).unwrap().blackholes.len(), 1);
    forget(dir.path()).unwrap();
    assert_eq!(install(dir.path()).await.unwrap(), 0);
    forget(dir.path()).unwrap();
}
