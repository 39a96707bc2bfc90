//! What is not overwritten, and who may read.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{fault, place, run, task};
use crate::{Recording, RecordingError, RecordingWriter};

fn write_one(path: &Path, overwrite: bool) -> Result<(), RecordingError> {
    let mut writer = RecordingWriter::create(path, overwrite, &run(1))?;
    writer.push_fault(&fault(1))?;
    writer.push_task(task(b"ls"))?;
    writer.finish(&run(1)).map(drop)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o7777
}

#[test]
fn only_the_owner_may_read() {
    let (_directory, path) = place();
    write_one(&path, false).expect("writes");
    for folder in ["", "faults", "tasks"] {
        assert_eq!(mode(&path.join(folder)), 0o700, "{folder}");
    }
    for file in [
        "recording.json",
        "faults/part-00000.parquet",
        "tasks/part-00000.parquet",
    ] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_recording_is_overwritten_only_when_asked() {
    let (_directory, path) = place();
    write_one(&path, false).expect("writes");
    fs::write(path.join("faults/part-00007.parquet.tmp"), "").expect("writes");
    let refused = write_one(&path, false).expect_err("exists");
    assert!(
        matches!(refused, RecordingError::Exists { .. }),
        "{refused}"
    );
    write_one(&path, true).expect("overwrites");
    assert!(Recording::open(&path).expect("opens").is_whole());
}

#[test]
fn what_is_not_only_a_recording_is_never_overwritten() {
    let (directory, path) = place();
    fs::create_dir(&path).expect("creates");
    fs::write(path.join("thesis.txt"), "years").expect("writes");
    let refused = write_one(&path, true).expect_err("is no recording");
    assert!(
        refused
            .to_string()
            .contains("it has no recording.json but thesis.txt"),
        "{refused}"
    );
    fs::write(path.join("recording.json"), "{}").expect("writes");
    let refused = write_one(&path, true).expect_err("is no recording");
    assert!(
        refused.to_string().contains("has no valid recording.json"),
        "{refused}"
    );
    fs::remove_file(path.join("recording.json")).expect("removes");

    fs::remove_file(path.join("thesis.txt")).expect("removes");
    fs::remove_dir(&path).expect("removes");
    write_one(&path, false).expect("writes");
    fs::write(path.join("thesis.txt"), "years").expect("writes");
    let refused = write_one(&path, true).expect_err("holds more");
    assert!(
        refused.to_string().contains("it also holds thesis.txt"),
        "{refused}"
    );
    assert!(Recording::open(&path).expect("opens").is_whole());

    let file = directory.path().join("thesis.txt");
    fs::write(&file, "years").expect("writes");
    let refused = write_one(&file, true).expect_err("is a file");
    assert!(
        refused.to_string().contains("it is not a directory"),
        "{refused}"
    );
}

#[test]
fn what_a_tracer_killed_at_its_start_has_left_is_overwritten() {
    // As it makes them: the folder, those of the tables, segments, the description under another name.
    let stages: [&[&str]; 4] = [
        &[],
        &["mappings/"],
        &["mappings/", "faults/", "faults/part-00000.parquet.tmp"],
        &["mappings/", "faults/", "recording.json.tmp"],
    ];
    for made in stages {
        let (_directory, path) = place();
        fs::create_dir(&path).expect("creates");
        for name in made {
            let made = path.join(name);
            if name.ends_with('/') {
                fs::create_dir(made).expect("creates");
            } else {
                fs::write(made, "half").expect("writes");
            }
        }
        let refused = write_one(&path, false).expect_err("exists");
        assert!(
            matches!(refused, RecordingError::Exists { .. }),
            "{made:?}: {refused}"
        );
        write_one(&path, true).expect("overwrites");
        assert!(Recording::open(&path).expect("opens").is_whole());
    }
}

#[test]
fn nothing_is_recorded_into_a_recording() {
    let (directory, path) = place();
    write_one(&path, false).expect("writes");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("links");
    for inside in [
        path.join("r.ftrace"),
        path.join("faults/r.ftrace"),
        link.join("r.ftrace"),
        path.join("faults"),
    ] {
        for overwrite in [false, true] {
            let refused = write_one(&inside, overwrite).expect_err("is in a recording");
            assert!(
                refused.to_string().contains("lies in a recording"),
                "{refused}"
            );
        }
    }
    assert!(Recording::open(&path).expect("opens").is_whole());
    let names = fs::read_dir(&path).expect("is there").flatten();
    assert!(names.into_iter().all(|name| name.file_name() != "r.ftrace"));
}

#[test]
fn a_parent_that_is_missing_is_named_with_the_remedy() {
    let (_directory, path) = place();
    let error = write_one(&path.join("deeper"), false).expect_err("has no parent");
    let message = error.to_string();
    assert!(message.contains("run.ftrace/deeper"), "{message}");
    assert!(
        message.contains("its parent directory must exist"),
        "{message}"
    );
}
