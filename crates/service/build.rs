//! Tells `anomaly_build_info` which commit this is: `BUILD_COMMIT`, or what git says.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=BUILD_COMMIT");
    let given = option_of("BUILD_COMMIT").filter(|commit| !commit.is_empty());
    let commit = given.or_else(of_repository);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=BUILD_COMMIT={commit}");
}

/// The commit that is checked out. Not in development, where each commit would compile all services
/// again.
fn of_repository() -> Option<String> {
    if option_of("PROFILE")? == "debug" {
        return None;
    }
    let changes = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo:rerun-if-changed={changes}");
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

fn option_of(variable: &str) -> Option<String> {
    env::var_os(variable)?.into_string().ok()
}
