//! Many askers, and such as misbehave.
use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

/// A server whose every request is done, on threads of its own.
struct Server {
    _directory: tempfile::TempDir,
    socket: PathBuf,
    stop: CancellationToken,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (socket, stop) = (directory.path().join(SOCKET), CancellationToken::new());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (send, mut calls) = mpsc::channel::<Call>(4);
        let (at, stopping) = (socket.clone(), stop.clone());
        runtime.spawn(async move { serve(&at, send, stopping).await });
        runtime.spawn(async move {
            while let Some(call) = calls.recv().await {
                let _ = call.reply.send(Reply::Done);
            }
        });
        let server = Self { _directory: directory, socket, stop, _runtime: runtime };
        while UnixStream::connect(&server.socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[test]
fn askers_beyond_those_served_at_once_wait_and_are_served_when_others_have_gone() {
    let server = Server::start();
    let silent: Vec<UnixStream> = (0..128).map(|_| server.connect()).collect();
    let late = server.connect();
    (&late).write_all(b"{\"op\": \"cni-status\"}\n").unwrap();
    late.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!((&late).read(&mut [0]).is_err(), "all places are taken");
    drop(silent);
    late.set_read_timeout(Some(SOON)).unwrap();
    let mut reply = String::new();
    BufReader::new(&late).read_line(&mut reply).unwrap();
    assert_eq!(serde_json::from_str::<Reply>(&reply).unwrap(), Reply::Done);
}

#[test]
fn a_line_that_is_too_long_is_refused_and_its_rest_is_no_request() {
    let server = Server::start();
    let stream = server.connect();
    let writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let mut line = vec![b' '; MAX_LINE];
        line.extend_from_slice(b"{\"op\": \"cni-status\"}\n");
        // It is cut off while it writes.
        let _ = (&writer).write_all(&line);
    });
    let mut replies = Vec::new();
    // What was not read when the connection ended is reported as a reset.
    let _ = BufReader::new(&stream).read_to_end(&mut replies);
    writing.join().unwrap();
    let replies = String::from_utf8(replies).unwrap();
    assert_eq!(replies.lines().count(), 1, "{replies}");
    let refused = serde_json::from_str::<Reply>(&replies).unwrap();
    assert!(matches!(refused, Reply::Refused { kind: RefusalKind::Invalid, .. }), "{refused:?}");
}

#[test]
fn requests_on_one_connection_are_answered_in_order_and_nonsense_is_refused_without_ending_it() {
    let server = Server::start();
    let stream = server.connect();
    (&stream).write_all(b"nonsense\n{\"op\": \"cni-status\"}\n").unwrap();
    let mut lines = BufReader::new(&stream).lines();
    let mut next = || serde_json::from_str::<Reply>(&lines.next().unwrap().unwrap()).unwrap();
    assert!(matches!(next(), Reply::Refused { kind: RefusalKind::Invalid, .. }));
    assert_eq!(next(), Reply::Done);
}
