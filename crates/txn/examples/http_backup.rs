//! A hot backup over HTTP: `curl http://localhost:9000/backup > my.db` while writers go on.
//!
//! Without arguments the program fetches its own backup and looks at it; with an address, such
//! as `127.0.0.1:9000`, it serves until it is stopped.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tiny_http::{Method, Request, Response, Server};
use txn::{Db, Error, Result};

/// Answers one request. The length is known before the first byte, because a snapshot does not
/// change.
fn answer(db: &Db, request: Request) -> Result<()> {
    if request.method() != &Method::Get || request.url() != "/backup" {
        return request.respond(Response::empty(404)).map_err(Error::other);
    }
    let snapshot = db.snapshot()?;
    let mut to = request.into_writer();
    write!(
        to,
        "HTTP/1.1 200 OK\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"my.db\"\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        snapshot.size_bytes()
    )
    .map_err(Error::other)?;
    snapshot.write_to(&mut to).map(drop)
}

fn serve(db: &Db, server: &Server, stop: &AtomicBool) {
    for request in server.incoming_requests() {
        if let Err(error) = answer(db, request) {
            println!("a backup failed: {error}");
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Fetches a backup: the head of the answer, and its body.
fn fetch(address: &str) -> std::io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /backup HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let blank = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(answer.len());
    let body = answer.split_off((blank + 4).min(answer.len()));
    Ok((String::from_utf8_lossy(&answer).into_owned(), body))
}

/// Commits until told to stop.
fn write_on(db: &Db, stop: &AtomicBool, commits: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let number = commits.load(Ordering::Relaxed);
        db.update(|tx| tx.bucket("log")?.put(number.to_be_bytes(), [7; 100]))?;
        commits.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn look_at(backup: &[u8], directory: &std::path::Path) -> Result<usize> {
    let path = directory.join("fetched.db");
    std::fs::write(&path, backup).map_err(Error::other)?;
    let copy = Db::open(&path)?;
    let mut findings = 0;
    txn::check(&copy.snapshot()?, &mut |_| findings += 1)?;
    assert_eq!(findings, 0, "the backup passes its check");
    copy.view(|tx| Ok(tx.bucket("log")?.range(..).count()))
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(Error::other)?;
    let db = Db::open(directory.path().join("live.db"))?;
    db.update(|tx| tx.create_bucket("log").map(drop))?;
    let listen = std::env::args().nth(1);
    let server = Server::http(listen.as_deref().unwrap_or("127.0.0.1:0")).map_err(Error::other)?;
    let address = server.server_addr().to_string();
    println!("curl http://{address}/backup > my.db");

    let (stop, commits) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(&db, &stop, &commits));
        if listen.is_some() {
            serve(&db, &server, &stop);
            return Ok(());
        }
        let serving = scope.spawn(|| serve(&db, &server, &stop));
        while commits.load(Ordering::Relaxed) < 50 {
            std::thread::yield_now();
        }
        let before = commits.load(Ordering::Relaxed);
        let (head, body) = fetch(&address).map_err(Error::other)?;
        stop.store(true, Ordering::Relaxed);
        // One more request, so that the server sees the flag.
        fetch(&address).map_err(Error::other)?;
        drop(serving.join());
        let written = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written?;
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(head.contains("filename=\"my.db\""), "{head}");
        let entries = look_at(&body, directory.path())?;
        println!(
            "the backup has {} bytes and {entries} entries; the writer went on to {}",
            body.len(),
            commits.load(Ordering::Relaxed)
        );
        assert!(entries as u64 >= before);
        Ok(())
    })
}
