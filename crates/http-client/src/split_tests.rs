//! Whatever a backend sends, and however the network splits it, the reader never panics, never
//! reads past the end of a reply, and gives the same result.

use proptest::{collection::vec, prelude::*, sample};

use crate::pieces::read_in_pieces;

/// `bytes` read in pieces that end at `cuts`.
fn read(bytes: &[u8], cuts: &[sample::Index]) -> Result<String, String> {
    let ends = cuts.iter().map(|cut| cut.index(bytes.len() + 1));
    read_in_pieces(bytes, ends.collect())
}

const REPLIES: [&str; 8] = [
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ndate: d\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.0 503 Away\r\nContent-Length: 5\r\nRetry-After: 1\r\n\r\naway!",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 304\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
];

/// A change to some bytes: at a place, a byte is replaced, put in or taken out.
fn change() -> impl Strategy<Value = (sample::Index, u8, u8)> {
    let byte = prop_oneof![any::<u8>(), sample::select(b"\r\n:;, 0aA\t\0".to_vec())];
    (any::<sample::Index>(), 0_u8..3, byte)
}

fn changed(reply: &str, changes: &[(sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = reply.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        let place = place.index(bytes.len());
        match kind {
            0 => bytes[place] = *byte,
            1 => bytes.insert(place, *byte),
            _ => {
                bytes.remove(place);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_reply_reads_the_same_however_it_is_cut(
        reply in sample::select(REPLIES.to_vec()),
        changes in vec(change(), 0..4),
        cuts in vec(any::<sample::Index>(), 0..12),
    ) {
        let bytes = changed(reply, &changes);
        let whole = read(&bytes, &[]);
        prop_assert_eq!(&read(&bytes, &cuts), &whole);
        prop_assert_eq!(&read_in_pieces(&bytes, (1..bytes.len()).collect()), &whole);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        start in sample::select(vec!["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
        bytes in vec(any::<u8>(), 0..300),
        cuts in vec(any::<sample::Index>(), 0..12),
    ) {
        let bytes = [start.as_bytes(), &bytes].concat();
        prop_assert_eq!(read(&bytes, &cuts), read(&bytes, &[]));
    }
}

#[test]
fn the_replies_that_are_changed_read_as_they_should() {
    let read = REPLIES.map(|reply| read(reply.as_bytes(), &[]).is_ok());
    assert_eq!(read, [true, true, true, true, true, false, true, false]);
}
