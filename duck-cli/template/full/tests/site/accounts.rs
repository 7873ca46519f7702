//! Accounts in the database.

use @CRATE_NAME@::{accounts, notes};

use crate::database::Database;

#[tokio::test]
async fn whoever_signs_up_has_an_account_and_a_first_note() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let ada = accounts::sign_up(&pool, "Ada", "hash")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        accounts::user(&pool, ada.id).await.unwrap(),
        Some(ada.clone())
    );
    assert_eq!(
        notes::store::list(&pool, ada.id).await.unwrap()[0].title,
        "Welcome"
    );
    assert_eq!(accounts::user(&pool, ada.id + 1).await.unwrap(), None);
}

#[tokio::test]
async fn a_name_is_given_once_in_small_letters_or_large() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let ada = accounts::sign_up(&pool, "Ada", "hash")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        accounts::sign_up(&pool, "ADA", "other").await.unwrap(),
        None
    );
    let found = accounts::credentials(&pool, "ada").await.unwrap().unwrap();
    assert_eq!((found.id, &*found.hash), (ada.id, "hash"));
    assert!(accounts::credentials(&pool, "a%").await.unwrap().is_none());
}

#[tokio::test]
async fn of_many_that_ask_for_one_name_at_once_one_gets_it() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let one = || {
        tokio::spawn({
            let pool = pool.clone();
            async move { accounts::sign_up(&pool, "Ada", "hash").await.unwrap() }
        })
    };
    let tasks: Vec<_> = (0..10).map(|_| one()).collect();
    let mut given = 0;
    for task in tasks {
        given += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn a_new_hash_takes_the_place_of_the_old_one() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let ada = accounts::sign_up(&pool, "Ada", "old")
        .await
        .unwrap()
        .unwrap();
    let bob = accounts::sign_up(&pool, "Bob", "old")
        .await
        .unwrap()
        .unwrap();
    accounts::set_hash(&pool, ada.id, "new").await.unwrap();
    for (name, id, hash) in [("Ada", ada.id, "new"), ("Bob", bob.id, "old")] {
        let found = accounts::credentials(&pool, name).await.unwrap().unwrap();
        assert_eq!((found.id, &*found.hash), (id, hash));
        let kept = accounts::hash(&pool, id).await.unwrap();
        assert_eq!(kept.as_deref(), Some(hash));
    }
    assert_eq!(accounts::hash(&pool, bob.id + 1).await.unwrap(), None);
}
