//! What a backend sends: it reads the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first three bytes say where the reply is cut.
    let Some((cuts, reply)) = input.split_at_checked(3) else {
        return;
    };
    let ends = cuts.iter().map(|cut| usize::from(*cut) % (reply.len() + 1));
    let whole = http_client::read_in_pieces(reply, Vec::new());
    assert_eq!(http_client::read_in_pieces(reply, ends.collect()), whole);
});
