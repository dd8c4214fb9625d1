//! Wrong programs do not compile, and the compiler says why. Each file of `tests/compile_fail/` is one: its lines that
//! begin with `//~` are parts of what the compiler writes. `right.rs` compiles.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The crate as it was compiled for this test: the newest of those beside it.
fn library() -> PathBuf {
    let beside = env::current_exe().unwrap();
    let libraries = fs::read_dir(beside.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libanywire-") && name.ends_with(".rlib")
    };
    libraries.filter(is_ours).max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("a library")
}

/// The text that the compiler writes about a program, with one space wherever it has several, and without the
/// crate before its types, which is there only sometimes; `Ok` if it compiles.
fn compile(program: &Path, library: &Path) -> Result<String, String> {
    let output = Command::new("rustc")
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=human", "-L"])
        .arg(format!("dependency={}", library.parent().unwrap().display()))
        .arg(format!("--extern=anywire={}", library.display()))
        .arg("--out-dir")
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(program)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).replace("anywire::", "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if output.status.success() { Ok(text) } else { Err(text) }
}

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut programs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.sort();
    programs
}

/// The fault of a wrong program, or of a right one.
fn complaint(program: &Path, library: &Path) -> Option<String> {
    let name = program.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(program).unwrap();
    let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
    match (compile(program, library), expected.is_empty()) {
        (Ok(_), true) => None,
        (Ok(_), false) => Some(format!("{name} compiles")),
        (Err(written), true) => Some(format!("{name} does not compile:\n{written}")),
        (Err(written), false) => {
            let missing: Vec<_> = expected.into_iter().filter(|part| !written.contains(part)).collect();
            (!missing.is_empty()).then(|| format!("{name}: the compiler does not write {missing:#?}, but:\n{written}"))
        }
    }
}

#[test]
fn wrong_programs_do_not_compile_and_right_ones_do() {
    let (library, programs) = (library(), programs());
    assert!(programs.iter().any(|program| program.ends_with("right.rs")));
    let complaints: Vec<_> = programs.iter().filter_map(|program| complaint(program, &library)).collect();
    assert!(complaints.is_empty(), "{} of {}:\n\n{}", complaints.len(), programs.len(), complaints.join("\n\n"));
}
