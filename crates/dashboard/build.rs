//! Packs the files of the page for the binary, each as gzip, under one version: the hash of them all.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// The document of the API, which `crates/openapi` prints.
const DOCUMENT: &str = "openapi.json";

/// Bytes of the hash that are a part of the paths.
const VERSION_BYTES: usize = 8;

fn main() -> io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let out = out.ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let document = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../openapi")
        .join(DOCUMENT);
    println!("cargo::rerun-if-changed={}", page.display());
    println!("cargo::rerun-if-changed={}", document.display());
    let mut names = Vec::new();
    list(&page, "", &mut names)?;
    names.push(DOCUMENT.to_owned());
    names.sort();
    let source = |name: &str| match name {
        DOCUMENT => fs::read(&document),
        name => fs::read(page.join(name)),
    };
    let mut hash = Sha256::new();
    for name in &names {
        hash.update(name);
        hash.update(source(name)?);
    }
    let version: String = hash.finalize()[..VERSION_BYTES]
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let mut table = format!(
        "/// The hash of all files.\npub(crate) const VERSION: &str = {version:?};\n\
         /// The files, sorted by name.\npub(crate) static FILES: &[File] = &[\n"
    );
    for (place, name) in names.iter().enumerate() {
        let bytes = source(name)?;
        let text = || String::from_utf8_lossy(&bytes);
        let bytes = match name.rsplit_once('.') {
            Some((_, "html")) => text().replace("{version}", &version).into_bytes(),
            Some((_, "js" | "css")) if !name.starts_with("vendor/") => bare(&text()).into_bytes(),
            _ => bytes,
        };
        // Fonts are packed already.
        let packed = !name.ends_with(".woff2");
        let stored = if packed { gzip(&bytes)? } else { bytes };
        let path = out.join(format!("{place}.bin"));
        fs::write(&path, stored)?;
        let _ = writeln!(
            table,
            "    File {{ name: {name:?}, packed: {packed}, bytes: include_bytes!({path:?}) }},"
        );
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)
}

/// The files below `folder`, without licences, which the source has.
fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else if [".html", ".css", ".js", ".svg", ".woff2"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            names.push(name);
        }
    }
    Ok(())
}

/// The lines of a module or a style sheet without indentation and without those that are comments, a
/// tenth of its packed size. No string in them goes over several lines.
fn bare(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*");
        if !(inside || begins || line.is_empty() || line.starts_with("//")) {
            kept.push_str(line);
            kept.push('\n');
        }
        inside = (inside || begins) && !line.ends_with("*/");
    }
    kept
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
