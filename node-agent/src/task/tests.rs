//! How tasks end.
use super::{TaskError, Tasks};
use std::convert::Infallible;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(200);

async fn idle(stop: tokio_util::sync::CancellationToken) -> Result<(), Infallible> {
    stop.cancelled().await;
    Ok(())
}

#[tokio::test]
async fn tasks_that_stop_when_asked_are_no_error() {
    let mut tasks = Tasks::new();
    tasks.spawn("one", idle(tasks.stop()));
    tasks.spawn("two", idle(tasks.stop()));
    assert!(tasks.run(async {}, SOON).await.is_ok());
}

#[tokio::test]
async fn a_task_that_fails_stops_the_others_and_is_named() {
    let mut tasks = Tasks::new();
    tasks.spawn("patient", idle(tasks.stop()));
    tasks.spawn("broken", async { Err(std::io::Error::other("no more")) });
    let error = tasks.run(std::future::pending(), SOON).await;
    assert!(matches!(error, Err(TaskError::Failed { name: "broken", .. })), "{error:?}");
}

#[tokio::test]
async fn a_task_that_just_ends_is_an_error() {
    let mut tasks = Tasks::new();
    tasks.spawn("quitter", async { Ok::<_, Infallible>(()) });
    let error = tasks.run(std::future::pending(), SOON).await;
    assert!(matches!(error, Err(TaskError::Ended { name: "quitter" })), "{error:?}");
}

#[tokio::test]
async fn a_panic_is_an_error_with_the_tasks_name() {
    let mut tasks = Tasks::new();
    tasks.spawn("careless", async {
        let empty: [u8; 0] = [];
        let index = std::hint::black_box(1);
        assert_eq!(empty.get(index), Some(&1), "nothing there");
        Ok::<_, Infallible>(())
    });
    let error = tasks.run(std::future::pending(), SOON).await;
    assert!(matches!(&error, Err(TaskError::Panicked { name: "careless", .. })), "{error:?}");
}

#[tokio::test]
async fn a_task_that_does_not_stop_is_given_up_and_named() {
    let mut tasks = Tasks::new();
    tasks.spawn("stubborn", std::future::pending::<Result<(), Infallible>>());
    let error = tasks.run(async {}, Duration::from_millis(20)).await;
    assert!(matches!(&error, Err(TaskError::Deadline { names, .. }) if names == &["stubborn"]), "{error:?}");
}
