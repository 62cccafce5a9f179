use super::super::{ApiError, publish, raise, report, request};
use super::fake::Fake;
use crate::model::{MESH, MeshEpoch};
use crate::watch::Kind;
use crate::watch::directory::Raised;
use ringfence_keyring::{Epoch, PerPlane, Plane, PublicKey, Publication, PublishedPlane};
use serde_json::json;

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

fn publication(uid: &str, key: u8) -> Publication {
    let planes = PerPlane::from_fn(|plane| PublishedPlane {
        public_key: PublicKey::from_bytes([key + u8::from(plane == Plane::One); 32]).unwrap(),
        epoch: epoch(u64::from(plane == Plane::One)),
        port: if plane == Plane::One { 51872 } else { 51871 },
    });
    Publication::new("n1", uid, epoch(0), planes, &["192.0.2.7".parse().unwrap()]).unwrap()
}

fn nodes() -> String {
    request::path(Kind::RingfenceNode)
}

#[tokio::test]
async fn a_node_publishes_once_and_again_only_what_is_other() {
    let fake = Fake::default();
    let server = fake.server();
    publish(&server, &publication("u1", 1)).await.unwrap();
    let made = fake.get(&nodes(), "n1").unwrap();
    assert_eq!(made["spec"], publication("u1", 1).to_value()["spec"]);
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u1", "it goes with its Node");
    publish(&server, &publication("u1", 1)).await.unwrap();
    assert_eq!((fake.count("POST"), fake.count("PUT")), (1, 0), "the same is not written again");
    publish(&server, &publication("u1", 5)).await.unwrap();
    let changed = fake.get(&nodes(), "n1").unwrap();
    assert_eq!(changed["spec"], publication("u1", 5).to_value()["spec"]);
    assert_eq!(changed["metadata"]["uid"], made["metadata"]["uid"], "it is the same object");
}

#[tokio::test]
async fn what_an_earlier_node_of_the_name_published_is_deleted() {
    let fake = Fake::default();
    let server = fake.server();
    publish(&server, &publication("u1", 1)).await.unwrap();
    publish(&server, &publication("u2", 5)).await.unwrap();
    assert_eq!((fake.count("DELETE"), fake.count("POST"), fake.count("PUT")), (1, 2, 0));
    assert_eq!(fake.get(&nodes(), "n1").unwrap()["spec"]["nodeUID"], "u2");
}

#[tokio::test]
async fn labels_that_people_gave_the_object_stay() {
    let fake = Fake::default();
    let server = fake.server();
    publish(&server, &publication("u1", 1)).await.unwrap();
    let mut object = fake.get(&nodes(), "n1").unwrap();
    object["metadata"]["labels"] = json!({"rack": "7"});
    fake.put(&nodes(), object);
    publish(&server, &publication("u1", 5)).await.unwrap();
    assert_eq!(fake.get(&nodes(), "n1").unwrap()["metadata"]["labels"]["rack"], "7");
}

#[tokio::test]
async fn the_epoch_is_raised_from_what_it_was_thought_to_be_or_not_at_all() {
    let fake = Fake::default();
    let server = fake.server();
    let to = |number| MeshEpoch { epoch: epoch(number), since: 7 };
    assert_eq!(raise(&server, epoch(0), to(1)).await.unwrap(), Raised::Done);
    assert_eq!(raise(&server, epoch(0), to(1)).await.unwrap(), Raised::Names(epoch(1)));
    assert_eq!(raise(&server, epoch(1), to(2)).await.unwrap(), Raised::Done);
    let path = request::path(Kind::RingfenceMesh);
    assert_eq!(fake.get(&path, MESH).unwrap()["spec"], json!({"epoch": 2, "since": 7}));
}

#[tokio::test]
async fn of_two_who_raise_the_epoch_at_once_one_does() {
    let fake = Fake::default();
    let server = fake.server();
    let to = MeshEpoch { epoch: epoch(1), since: 0 };
    for round in 0..20 {
        let from = epoch(round);
        let to = MeshEpoch { epoch: epoch(round + 1), ..to };
        let all = (0..4).map(|_| raise(&server, from, to));
        let raised = futures::future::join_all(all).await;
        let done = raised.iter().filter(|raised| matches!(raised, Ok(Raised::Done))).count();
        assert_eq!(done, 1, "round {round}: {raised:?}");
    }
}

#[tokio::test]
async fn a_status_is_written_beside_what_is_published_once_that_is_there() {
    let fake = Fake::default();
    let server = fake.server();
    let status = json!({"wireguard": "kernel"});
    let error = report(&server, "n1", &status).await.unwrap_err();
    assert!(matches!(error, ApiError::Object { .. }), "{error}");
    publish(&server, &publication("u1", 1)).await.unwrap();
    report(&server, "n1", &status).await.unwrap();
    report(&server, "n1", &status).await.unwrap();
    let object = fake.get(&nodes(), "n1").unwrap();
    assert_eq!((&object["status"], &object["spec"]["nodeUID"]), (&status, &json!("u1")));
    assert_eq!(fake.count("PUT"), 1, "the same is not written again");
    publish(&server, &publication("u1", 5)).await.unwrap();
    assert_eq!(fake.get(&nodes(), "n1").unwrap()["status"], status, "it stays when other keys are published");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_an_error_that_names_what_was_to_be_done() {
    let fake = Fake::default();
    fake.away(true);
    let error = publish(&fake.server(), &publication("u1", 1)).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable { .. }));
    assert!(error.to_string().contains("RingfenceNode n1"), "{error}");
}
