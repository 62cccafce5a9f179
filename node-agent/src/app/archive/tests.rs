use super::Archive;
use crate::desired::{Index, Snapshot};
use crate::watch::{Batch, Kind, Object, Update, directory};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const OBJECTS: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: n1, uid: u1}
spec: {podCIDRs: [10.1.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2, uid: u2}
spec: {podCIDRs: [10.2.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: here, namespace: default, labels: {app: here}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIPs: [{ip: 10.1.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: there, namespace: default}
spec: {nodeName: n2, containers: [{name: c}]}
status: {podIPs: [{ip: 10.2.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: default}
spec: {nodeName: n2, hostNetwork: true, containers: [{name: c}]}
status: {podIPs: [{ip: 192.0.2.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.9, ports: [{port: 80, targetPort: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.5], nodeName: n1, conditions: {ready: true}}]
ports: [{name: "", port: 8080, protocol: TCP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: default}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [here]}]}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}, {namespaceSelector: {}}], ports: [{port: http}, {port: 1, endPort: 9}]}]
---
apiVersion: ringfence.dev/v1alpha1
kind: RingfenceNode
metadata: {name: n1}
spec:
  nodeUID: u1
  epoch: 4
  endpoints: [192.0.2.1]
  serial: 3
  planes:
  - {plane: rf-wg0, publicKey: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=, epoch: 4, port: 51871}
  - {plane: rf-wg1, publicKey: ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=, epoch: 5, port: 51872}
---
apiVersion: ringfence.dev/v1alpha1
kind: RingfenceMesh
metadata: {name: mesh}
spec: {epoch: 4, since: 7}
---
apiVersion: ringfence.dev/v1alpha1
kind: RingfenceRotation
metadata: {name: all}
spec: {from: 4, force: true}
---
apiVersion: ringfence.dev/v1alpha1
kind: RingfenceRevocation
metadata: {name: n9}
spec: {nodeUID: u9, number: 2, revoked: true}
"#;

fn snapshot(batch: Batch) -> Arc<Snapshot> {
    let mut index = Index::default();
    index.apply_all(batch);
    index.snapshot().unwrap()
}

fn read() -> Arc<Snapshot> {
    let place = TempDir::new().unwrap();
    std::fs::write(place.path().join("objects.yaml"), OBJECTS).unwrap();
    snapshot(directory::Source::new(place.path()).scan())
}

fn archive(boot: &str, place: &Path) -> Archive {
    Archive::during(boot, place, "n1")
}

fn restored(objects: Vec<Object>) -> Arc<Snapshot> {
    let applied = |object| Update::Applied { object, origin: None, problems: Vec::new() };
    snapshot(objects.into_iter().map(applied).chain(Kind::ALL.map(Update::Synced)).collect())
}

#[test]
fn what_was_known_is_there_after_a_reboot_but_for_what_may_be_another_s_by_then() {
    let (place, known) = (TempDir::new().unwrap(), read());
    archive("monday", place.path()).write(&known).unwrap();
    let after = restored(archive("tuesday", place.path()).read().unwrap().unwrap());
    assert_eq!(after.nodes, known.nodes);
    assert_eq!(after.namespaces, known.namespaces);
    assert_eq!(after.services, known.services);
    assert_eq!(after.slices, known.slices);
    assert_eq!(after.policies, known.policies);
    assert_eq!(after.publications, known.publications);
    assert_eq!((&after.mesh, &after.rotations), (&known.mesh, &known.rotations));
    assert_eq!(after.revocations, known.revocations);
    let pods: Vec<(&str, usize)> =
        after.pods.values().map(|pod| (pod.name.name.as_str(), pod.addresses.len())).collect();
    assert_eq!(pods, [("here", 0), ("host", 1)], "of pods elsewhere nothing, of those here no address");
    assert!(!known.policies.is_empty() && !known.revocations.is_empty() && !known.publications.is_empty());
}

#[test]
fn during_the_same_boot_the_kernel_knows_better() {
    let place = TempDir::new().unwrap();
    archive("monday", place.path()).write(&read()).unwrap();
    assert_eq!(archive("monday", place.path()).read().unwrap(), None);
    assert_eq!(
        archive("monday", TempDir::new().unwrap().path()).read().unwrap(),
        None,
        "nor is there always one"
    );
}

#[test]
fn a_file_that_was_cut_or_is_of_another_form_is_an_error_and_nothing_is_taken_from_it() {
    let place = TempDir::new().unwrap();
    archive("monday", place.path()).write(&read()).unwrap();
    let path = place.path().join("objects.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for cut in [String::new(), text[..text.len() / 2].to_owned(), lines[..lines.len() - 1].join("\n")] {
        std::fs::write(&path, &cut).unwrap();
        assert!(archive("tuesday", place.path()).read().is_err(), "{} of {} bytes", cut.len(), text.len());
    }
    std::fs::write(&path, text.replacen("\"form\":1", "\"form\":2", 1)).unwrap();
    assert!(archive("tuesday", place.path()).read().unwrap_err().to_string().contains("another form"));
}
