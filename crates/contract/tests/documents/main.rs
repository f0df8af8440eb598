//! The documents: their links and paths lead somewhere, and their tables have what the programs have.

mod monitoring;
mod runbook;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use contract::{ENDPOINTS, ProblemCode};

/// Folders whose files are named in documents by their path from the root.
const FOLDERS: [&str; 7] = [
    ".ci/",
    "benchmark/",
    "crates/",
    "docs/",
    "examples/",
    "packaging/",
    "static/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document of the repository.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: PathBuf) -> io::Result<Self> {
        let text = fs::read_to_string(&path)?;
        Ok(Self { path, text })
    }

    /// The targets of its links to files of the repository and to headings.
    fn links(&self) -> impl Iterator<Item = &str> {
        let rests = self.text.split("](").skip(1);
        let targets = rests.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        targets.filter(|target| !target.contains("://"))
    }

    /// The first word of each piece of code in it.
    fn code(&self) -> impl Iterator<Item = &str> {
        let pieces = self.text.split('`').skip(1).step_by(2);
        pieces.filter_map(|piece| piece.split_whitespace().next())
    }

    /// Whether a link can lead to the heading `anchor`.
    fn has_heading(&self, anchor: &str) -> bool {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| slug(line.trim_start_matches('#').trim()))
            .any(|slug| slug == anchor)
    }
}

/// The anchor that Git hosting sites give to a heading.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    });
    kept.collect()
}

/// All documents: those at the root, and those below `docs` and `benchmark`.
fn documents() -> io::Result<Vec<Document>> {
    let mut paths = Vec::new();
    collect(&root(), false, &mut paths)?;
    collect(&root().join("docs"), true, &mut paths)?;
    collect(&root().join("benchmark"), true, &mut paths)?;
    paths.into_iter().map(Document::read).collect()
}

fn collect(folder: &Path, below: bool, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && below {
            collect(&path, below, paths)?;
        } else if path.extension().is_some_and(|end| end == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() -> io::Result<()> {
    let mut dead = Vec::new();
    for document in documents()? {
        for link in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.path.clone(),
                file => document.path.with_file_name(file),
            };
            let leads = target.exists()
                && (anchor.is_empty() || Document::read(target)?.has_heading(anchor));
            if !leads {
                dead.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    Ok(())
}

#[test]
fn every_path_exists() -> io::Result<()> {
    let mut missing = Vec::new();
    for document in documents()? {
        if document.path.ends_with("adding-a-detector.md") {
            continue; // It names files that its reader is about to make.
        }
        let paths = document.code().filter(|word| {
            // * and {…} stand for several names.
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder));
            is_path && !word.contains(['*', '{'])
        });
        for path in paths.filter(|path| !root().join(path).exists()) {
            missing.push(format!("{}: {path}", document.path.display()));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    Ok(())
}

/// benchmark/tables.py writes its schema from the file.
#[test]
fn the_chart_takes_every_setting_but_those_that_it_makes_itself() -> io::Result<()> {
    let schema = Document::read(root().join("packaging/helm/anomaly/values.schema.json"))?.text;
    let example = Document::read(root().join(".env.example"))?.text;
    let settings = example.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("# ").unwrap_or(line).split_once('=')?;
        let is_name = name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'_'));
        is_name.then_some(name)
    });
    for name in settings {
        let is_its_own = matches!(name, "APP_PORT" | "ADMIN_PORT" | "DATA_DIR");
        let is_taken = schema.contains(&format!("\"{name}\""));
        let is_due = !is_its_own && !name.starts_with("ANOMALY_");
        assert_eq!(is_taken, is_due, "python3 benchmark/tables.py: {name}");
    }
    Ok(())
}

/// Images are named after the version in docker-compose.yml and in the chart.
#[test]
fn images_have_the_version_of_the_programs() -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let compose = Document::read(root().join("docker-compose.yml"))?.text;
    let names = compose.matches("${ANOMALY_IMAGE:-anomaly}-").count();
    let wanted = format!(":${{ANOMALY_VERSION:-{version}}}\n");
    assert!(names > 0);
    assert_eq!(compose.matches(&wanted).count(), names);
    let chart = Document::read(root().join("packaging/helm/anomaly/Chart.yaml"))?.text;
    assert!(chart.contains(&format!("\nappVersion: \"{version}\"\n")));
    Ok(())
}

/// benchmark/tables.py writes the page from the file.
#[test]
fn the_page_of_settings_is_that_of_the_example_file() -> io::Result<()> {
    let page = Document::read(root().join("docs/settings.md"))?.text;
    let example = Document::read(root().join(".env.example"))?.text;
    let mut about = "";
    let mut rows = 0;
    for line in example.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_name = |name: &str| name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'_'));
        if let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name)) {
            let value = match value {
                "" => String::new(),
                value => format!("`{value}`"),
            };
            let row = format!("| `{name}` | {value} | {about} |\n");
            assert!(page.contains(&row), "python3 benchmark/tables.py: {row}");
            rows += 1;
        }
        about = line;
    }
    assert_eq!(page.matches("\n| `").count(), rows);
    Ok(())
}

#[test]
fn the_page_of_the_api_has_every_call() -> io::Result<()> {
    let page = Document::read(root().join("docs/api.md"))?.text;
    let calls = ENDPOINTS.iter().map(|endpoint| {
        let method = format!("{:?}", endpoint.method).to_uppercase();
        format!("`{method} {}`", endpoint.path)
    });
    let missing: Vec<_> = calls.filter(|call| !page.contains(call)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    Ok(())
}

/// The words in the first column of the page's tables: fields, parameters, headers, codes.
#[test]
fn the_document_of_the_api_has_every_word_of_its_page() -> io::Result<()> {
    let page = Document::read(root().join("docs/api.md"))?.text;
    let document = fs::read_to_string(root().join("crates/openapi/openapi.json"))?.to_lowercase();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names = words.filter_map(|word| word.rsplit('.').next().map(str::to_lowercase));
    let is_name = |name: &String| {
        name.chars()
            .all(|c| c.is_alphanumeric() || "_-".contains(c))
    };
    let missing: Vec<_> = names
        .filter(is_name)
        .filter(|name| {
            let is_there = [format!("\"{name}\""), format!("`{name}")];
            !is_there.iter().any(|form| document.contains(form))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    Ok(())
}

#[test]
fn the_page_of_the_api_has_every_problem_code_with_its_status() -> io::Result<()> {
    let page = Document::read(root().join("docs/api.md"))?.text;
    let rows = ProblemCode::ALL
        .iter()
        .map(|code| format!("| `{code}` | {} |", code.status()));
    let missing: Vec<_> = rows.filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    Ok(())
}
