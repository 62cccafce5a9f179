use super::{Desk, DeskError};
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

type Any = Desk<u32, u32, Error>;

/// Writes a number once it is allowed to.
async fn after(allowed: Arc<Notify>, number: u32) -> Result<u32, Error> {
    allowed.notified().await;
    Ok(number)
}

/// Asks until it is known what became of it.
async fn outcome(desk: &mut Any, what: u32) -> Result<u32, DeskError<Error>> {
    loop {
        match desk.write(what, async { panic!("nothing else is begun meanwhile") }).await {
            Err(DeskError::UnderWay) => tokio::time::sleep(Duration::from_millis(5)).await,
            done => return done,
        }
    }
}

#[tokio::test]
async fn what_is_written_quickly_is_known_at_once() {
    assert_eq!(Any::default().write(1, async { Ok(7) }).await.unwrap(), 7);
}

#[tokio::test]
async fn what_takes_long_is_not_waited_for_and_known_later() {
    let (mut desk, allowed) = (Any::default(), Arc::new(Notify::new()));
    let first = desk.write(1, after(allowed.clone(), 7)).await;
    assert!(matches!(first, Err(DeskError::UnderWay)));
    let again = desk.write(1, async { Ok(8) }).await;
    assert!(matches!(again, Err(DeskError::UnderWay)), "one at a time");
    allowed.notify_one();
    assert_eq!(outcome(&mut desk, 1).await.unwrap(), 7);
}

#[tokio::test]
async fn something_newer_is_written_after_what_is_under_way() {
    let (mut desk, allowed) = (Any::default(), Arc::new(Notify::new()));
    assert!(desk.write(1, after(allowed.clone(), 7)).await.is_err());
    allowed.notify_one();
    let written = loop {
        match desk.write(2, async { Ok(9) }).await {
            Err(DeskError::UnderWay) => tokio::time::sleep(Duration::from_millis(5)).await,
            done => break done.unwrap(),
        }
    };
    assert_eq!(written, 9);
}

#[tokio::test]
async fn what_failed_is_not_tried_again_at_once_and_says_the_same() {
    let (mut desk, tries) = (Any::default(), Arc::new(AtomicUsize::new(0)));
    let mut texts = Vec::new();
    for _ in 0..3 {
        let tries = tries.clone();
        let failing = async move {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(Error::from(ErrorKind::ConnectionRefused))
        };
        texts.push(desk.write(1, failing).await.unwrap_err().to_string());
    }
    texts.dedup();
    assert_eq!((tries.load(Ordering::Relaxed), texts.len()), (1, 1), "{texts:?}");
    let done = loop {
        match desk.write(1, async { Ok(7) }).await {
            Err(DeskError::Waiting(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            done => break done.unwrap(),
        }
    };
    assert_eq!(done, 7);
}
