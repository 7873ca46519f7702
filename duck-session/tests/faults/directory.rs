//! A folder of sessions that goes away, or is not what it was, while the site runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use duck::testing::TestClient;

use crate::site::{
    Place, app, assert_unavailable, id, read, read_again, settings, visitor, with_id,
};
use crate::storage::{Storage, files, on_each_storage};

/// A folder that somebody else prepared, with a session of their own in it.
async fn prepared<S: Storage>(dir: &Path) -> (String, Vec<(std::path::PathBuf, Vec<u8>)>) {
    let stranger = visitor::<S>(dir).await;
    read(&stranger, "/login/stranger").await;
    let cookie = id(&stranger);
    drop(stranger);
    (cookie, contents(dir))
}

fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = files(dir, Path::is_file).into_iter();
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A visitor whose page is either the one it was, or an error that says nothing.
async fn is_served_or_refused(visitor: &TestClient) {
    for (page, answers) in [("/user", ["7", "nobody"]), ("/get/n", ["1", "nothing"])] {
        let response = visitor.get(page).await;
        if response.status() == 200 {
            assert!(answers.contains(&response.text()), "{}", response.text());
        } else {
            assert_unavailable(&response);
        }
    }
}

async fn a_folder_replaced_by_a_link_is_not_followed<S: Storage>() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let visitor = visitor::<S>(&place.dir()).await;
    read(&visitor, "/login/7").await;
    read(&visitor, "/add/n").await;
    let (cookie, before) = prepared::<S>(&elsewhere.dir()).await;
    let moved = place.outside().join("moved");
    fs::rename(place.dir(), &moved).unwrap();
    symlink(elsewhere.dir(), place.dir()).unwrap();
    is_served_or_refused(&visitor).await;
    let stranger = with_id(&visitor, &cookie);
    let response = stranger.get("/user").await;
    assert_ne!(response.text(), "stranger");
    for page in ["/add/n", "/login/8", "/logout"] {
        let _ = visitor.another().get(page).await;
        let _ = stranger.get(page).await;
    }
    assert!(
        contents(&elsewhere.dir()) == before,
        "written through a link"
    );

    fs::remove_file(place.dir()).unwrap();
    fs::rename(moved, place.dir()).unwrap();
    assert_eq!(read_again(&visitor, "/add/n").await, "2");
    assert_eq!(read(&visitor, "/user").await, "7");
}

async fn a_folder_replaced_by_a_file_crashes_nothing<S: Storage>() {
    let place = Place::new();
    let visitor = visitor::<S>(&place.dir()).await;
    read(&visitor, "/login/7").await;
    read(&visitor, "/add/n").await;
    let moved = place.outside().join("moved");
    fs::rename(place.dir(), &moved).unwrap();
    fs::write(place.dir(), "a file").unwrap();
    is_served_or_refused(&visitor).await;
    is_served_or_refused(&visitor.another()).await;
    for page in ["/add/n", "/login/8"] {
        let response = visitor.another().get(page).await;
        assert!([200, 503].contains(&response.status().as_u16()));
    }
    assert_eq!(fs::read(place.dir()).unwrap(), b"a file");
    fs::remove_file(place.dir()).unwrap();
    fs::rename(moved, place.dir()).unwrap();
    assert_eq!(read_again(&visitor, "/add/n").await, "2");
    assert_eq!(read(&visitor, "/user").await, "7");
}

async fn a_removed_folder_is_an_error_that_names_no_path<S: Storage>() {
    let place = Place::new();
    let visitor = visitor::<S>(&place.dir()).await;
    read(&visitor, "/login/7").await;
    let cookie = id(&visitor);
    fs::remove_dir_all(place.dir()).unwrap();
    is_served_or_refused(&visitor).await;
    assert_unavailable(&visitor.another().get("/login/8").await);
    // The storage that is there again is an empty one.
    let fresh = crate::site::visitor::<S>(&place.dir()).await;
    assert_eq!(read(&with_id(&fresh, &cookie), "/user").await, "nobody");
    read(&fresh, "/login/8").await;
    assert_eq!(read(&fresh, "/user").await, "8");
}

/// Another process may have made it anew: what is opened to others is refused also then.
async fn a_folder_made_anew_for_everybody_is_not_written_to<S: Storage>() {
    let place = Place::new();
    let visitor = visitor::<S>(&place.dir()).await;
    read(&visitor, "/login/7").await;
    fs::remove_dir_all(place.dir()).unwrap();
    fs::create_dir(place.dir()).unwrap();
    fs::set_permissions(place.dir(), Permissions::from_mode(0o777)).unwrap();
    for page in ["/add/n", "/login/8"] {
        assert_unavailable(&visitor.another().get(page).await);
    }
    is_served_or_refused(&visitor).await;
    assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 0);
}

async fn refusal<S: Storage>(dir: &Path) -> String {
    let site = app(settings::<S>(dir), duck_session::Clock::default())
        .start()
        .await;
    site.map(drop).unwrap_err().chain()
}

async fn a_site_does_not_start_on_a_folder_that_is_not_its_own<S: Storage>() {
    let place = Place::new();
    fs::create_dir(place.dir()).unwrap();
    let link = place.outside().join("link");
    symlink(place.dir(), &link).unwrap();
    let text = refusal::<S>(&link).await;
    assert!(text.contains("symbolic link"), "{text}");
    fs::set_permissions(place.dir(), Permissions::from_mode(0o777)).unwrap();
    let text = refusal::<S>(&place.dir()).await;
    for part in [place.dir().to_str().unwrap(), "mode 777", "chmod go-w"] {
        assert!(text.contains(part), "{text}");
    }
    fs::set_permissions(place.dir(), Permissions::from_mode(0o700)).unwrap();
    if chown(place.dir(), Some(12345), None).is_err() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI runs as root"
        );
        eprintln!("NOT TESTED: a folder of another user, because only root can make one");
        return;
    }
    let text = refusal::<S>(&place.dir()).await;
    for part in [place.dir().to_str().unwrap(), "belongs to user 12345"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 0);
}

on_each_storage!(
    a_folder_replaced_by_a_link_is_not_followed,
    a_folder_replaced_by_a_file_crashes_nothing,
    a_removed_folder_is_an_error_that_names_no_path,
    a_folder_made_anew_for_everybody_is_not_written_to,
    a_site_does_not_start_on_a_folder_that_is_not_its_own,
);
