//! A server in Rust with the standard library alone: a thread for each connection,
//! and a small store in memory that they share.
//!
//!     server [PORT]

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const STACK: usize = 64 << 10;
const BODY_MAX: usize = 1 << 20;
const LINE_MAX: u64 = 8192;

#[derive(Default)]
struct Store {
    asked: u64,
    notes: BTreeMap<String, Vec<u8>>,
}

struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
    keep: bool,
}

/// A line without its end; `None` when the connection has ended.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let size = input.take(LINE_MAX).read_line(&mut line)?;
    Ok(if size == 0 { None } else { Some(line.trim_end().to_string()) })
}

fn read_request(input: &mut impl BufRead) -> io::Result<Option<Request>> {
    let first = match read_line(input)? {
        Some(line) => line,
        None => return Ok(None),
    };
    let mut words = first.split(' ');
    let method = words.next().unwrap_or("").to_string();
    let path = words.next().unwrap_or("").to_string();
    let mut keep = words.next() == Some("HTTP/1.1");
    let mut size = 0;
    while let Some(line) = read_line(input)? {
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => size = value.trim().parse().unwrap_or(BODY_MAX + 1),
                "connection" => keep &= value.trim() != "close",
                _ => (),
            }
        }
    }
    if size > BODY_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the body is too large"));
    }
    let mut body = vec![0; size];
    input.read_exact(&mut body)?;
    Ok(Some(Request { method, path, body, keep }))
}

fn answer(request: &Request, store: &Mutex<Store>) -> (&'static str, Vec<u8>) {
    let mut store = store.lock().unwrap();
    store.asked += 1;
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => ("200 OK", format!("Rust serves, request {}.\n", store.asked).into_bytes()),
        ("PUT", path) => {
            store.notes.insert(path.to_string(), request.body.clone());
            ("201 Created", Vec::new())
        }
        ("GET", path) => match store.notes.get(path) {
            Some(note) => ("200 OK", note.clone()),
            None => ("404 Not Found", b"there is no such note\n".to_vec()),
        },
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}

fn serve(stream: TcpStream, store: &Mutex<Store>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(request) = read_request(&mut input)? {
        let (status, body) = answer(&request, store);
        let mut reply = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n", status, body.len()).into_bytes();
        reply.extend(body);
        output.write_all(&reply)?;
        if !request.keep {
            break;
        }
    }
    Ok(())
}

fn main() {
    let port = env::args().nth(1).unwrap_or_else(|| "80".into());
    let port: u16 = port.parse().unwrap_or_else(|error| {
        eprintln!("server: port {:?}: {}", port, error);
        exit(2)
    });
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap_or_else(|error| {
        eprintln!("server: port {}: {}", port, error);
        exit(1)
    });
    println!("serving on {}", port);
    let store = Arc::new(Mutex::new(Store::default()));
    for stream in listener.incoming().flatten() {
        let store = Arc::clone(&store);
        // A peer that breaks off is no trouble of ours; a thread that cannot be had costs its connection.
        let started = thread::Builder::new().stack_size(STACK).spawn(move || {
            let _ = serve(stream, &store);
        });
        if let Err(error) = started {
            eprintln!("server: {}", error);
        }
    }
}
