//! A hot backup over HTTP: `curl http://localhost:9000/backup > my.db` while writers go on.
//!
//! Without arguments the program fetches from itself, commits in the middle of the download, and
//! examines what it got; with `--listen 127.0.0.1:9000` it serves until it is stopped.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use txn::Db;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(20);
const HEAD_BYTES_MAX: u64 = 8192;

/// Reads up to the blank line that ends the head of a request or of an answer.
fn read_head(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut head, mut from) = (Vec::new(), from.take(HEAD_BYTES_MAX));
    while !head.ends_with(b"\r\n\r\n") {
        if from.read_until(b'\n', &mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// Answers the one request of a connection.
fn answer(db: &Db, mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut BufReader::new(&stream))?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(&head)?;
    if (request.method, request.path) != (Some("GET"), Some("/backup")) {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(());
    }
    let snapshot = db.snapshot()?;
    // Known before the first byte is sent, because a snapshot does not change. Should reading
    // fail midway, the client sees that bytes are missing.
    let bytes = snapshot.size_bytes();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"my.db\"\r\n\
         Content-Length: {bytes}\r\n\
         Connection: close\r\n\r\n"
    )?;
    snapshot.write_to(&mut stream)?;
    Ok(())
}

/// Serves each connection on a thread of its own, so that a slow client keeps nobody waiting.
fn serve(db: &Db, listener: &TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let (stream, db) = (stream?, db.clone());
        std::thread::spawn(move || {
            if let Err(error) = answer(&db, stream) {
                println!("a request failed: {error}");
            }
        });
    }
    Ok(())
}

/// Notes the number of a commit in the commit itself.
fn commit(db: &Db, number: u64) -> txn::Result<()> {
    db.update(|tx| tx.bucket("log")?.put("commits", number.to_be_bytes()))
}

/// A writer that goes on, but does not wear out the disk.
fn commit_slowly(db: &Db, number: u64) -> txn::Result<()> {
    std::thread::sleep(Duration::from_millis(100));
    commit(db, number)
}

/// What the last commit wrote.
fn committed(db: &Db) -> Result<u64> {
    let snapshot = db.snapshot()?;
    let number = snapshot.bucket("log")?.get("commits")?;
    let number = number.and_then(|bytes| bytes.first_chunk());
    Ok(u64::from_be_bytes(*number.ok_or("no commit was logged")?))
}

/// Fetches a backup into a file, committing while the server is in the middle of sending it.
fn fetch(db: &Db, address: &str, to: &Path) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /backup HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut stream = BufReader::new(stream);
    let head = read_head(&mut stream)?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head)?;
    assert_eq!(response.code, Some(200));
    let header = |name| {
        let mut all = response.headers.iter();
        let found = all.find(|header| header.name == name);
        found.map_or("", |header| std::str::from_utf8(header.value).unwrap_or(""))
    };

    // The body is far larger than what sockets hold, so the server has not sent it all yet. A
    // commit that waited for the backup would wait for ever.
    for number in 101..=200 {
        commit(db, number)?;
    }
    println!("100 commits while the backup was on its way");

    let bytes = io::copy(&mut stream, &mut std::fs::File::create(to)?)?;
    let (length, name) = (header("Content-Length"), header("Content-Disposition"));
    println!("fetched {bytes} bytes; {name}; length {length}");
    assert_eq!(length, bytes.to_string());
    assert_eq!(name, "attachment; filename=\"my.db\"");
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = match arguments.as_slice() {
        [] => None,
        [flag, address] if flag == "--listen" => Some(address.as_str()),
        _ => return Err("usage: http_backup [--listen ADDRESS]".into()),
    };
    let directory = tempfile::tempdir()?;
    let db = Db::open(directory.path().join("live.db"))?;
    db.update(|tx| {
        let mut log = tx.create_bucket("log")?;
        (0..32_u8).try_for_each(|number| log.put([number], vec![number; 1 << 20]))
    })?;
    commit(&db, 100)?;

    let listener = TcpListener::bind(listen.unwrap_or("127.0.0.1:0"))?;
    let address = listener.local_addr()?.to_string();
    println!("curl http://{address}/backup > my.db");
    if listen.is_some() {
        let writing = db.clone();
        std::thread::spawn(move || (101..).try_for_each(|number| commit_slowly(&writing, number)));
        return serve(&db, &listener);
    }
    let server_db = db.clone();
    std::thread::spawn(move || serve(&server_db, &listener).map_err(|error| error.to_string()));

    let path = directory.path().join("my.db");
    fetch(&db, &address, &path)?;
    let copy = Db::open(&path)?;
    let checked = txn::check(&copy.snapshot()?, &mut |finding| println!("{finding:?}"))?;
    assert_eq!(checked.findings, 0);
    println!(
        "the backup is clean and ends at commit {}, the database at commit {}",
        committed(&copy)?,
        committed(&db)?
    );
    assert_eq!((committed(&copy)?, committed(&db)?), (100, 200));
    Ok(())
}
