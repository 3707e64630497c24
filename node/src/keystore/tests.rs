//! The key store as a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const SCOPE: Digest32 = Digest32([3; 32]);

fn seal() -> SealKey {
    SealKey::fixed([9; 32])
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_stored_comes_back() {
    let home = home();
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    store.bundle_or_generate(&SCOPE, 1, 8).unwrap();
    let public = store.bundles()[0].public(store.identity_secret());
    let identity = store.identity();
    let long_lived = store.long_lived().clone();
    drop(store);
    let mut store = KeyStore::open_with(home.path(), seal()).unwrap();
    assert_eq!((store.identity(), store.long_lived()), (identity, &long_lived));
    let bundle = store.bundle(&SCOPE, 1).unwrap();
    assert_eq!(bundle.public(store.identity_secret()), public);
    assert!(bundle.is_behind(&public, &identity));
    public.verify(&SCOPE, &identity, 1).unwrap();
    // Asking again makes no second bundle.
    store.bundle_or_generate(&SCOPE, 1, 99).unwrap();
    assert_eq!(store.bundles().len(), 1);
    assert!(!store.was_damaged());
}

#[test]
fn another_bundle_is_not_behind_the_secrets() {
    let home = home();
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    store.bundle_or_generate(&SCOPE, 1, 4).unwrap();
    store.bundle_or_generate(&SCOPE, 2, 4).unwrap();
    let (first, second) = (&store.bundles()[0], &store.bundles()[1]);
    assert!(!first.is_behind(&second.public(store.identity_secret()), &store.identity()));
}

#[test]
fn a_torn_write_keeps_the_contents_before_it() {
    let home = home();
    let path = home.path().join(SECRETS);
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    let before = fs::read(&path).unwrap();
    store.bundle_or_generate(&SCOPE, 1, 8).unwrap();
    drop(store);
    let after = fs::read(&path).unwrap();
    // The write went to the first slot, because creation left the newer contents in the second.
    assert_eq!(before[SLOT_BYTES..], after[SLOT_BYTES..]);
    for torn in [1, 20, 44, 400, 4096, SLOT_BYTES - 1] {
        let mut bytes = before.clone();
        bytes[..torn].copy_from_slice(&after[..torn]);
        fs::write(&path, &bytes).unwrap();
        let mut store = KeyStore::open_with(home.path(), seal()).unwrap();
        assert!(store.bundles().is_empty(), "torn at {torn}");
        // The next write replaces the torn slot and not the one that is whole.
        store.bundle_or_generate(&SCOPE, 5, 1).unwrap();
        drop(store);
        let store = KeyStore::open_with(home.path(), seal()).unwrap();
        assert_eq!((store.bundles().len(), store.was_damaged()), (1, false));
    }
}

#[test]
fn erasing_overwrites_both_slots() {
    let home = home();
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    for epoch in 1..=3 {
        store.bundle_or_generate(&SCOPE, epoch, 8).unwrap();
    }
    let before = fs::read(&store.path).unwrap();
    assert_eq!(store.erase_bundles(|bundle| bundle.epoch == 3).unwrap(), 2);
    let after = fs::read(&store.path).unwrap();
    for (old, new) in before.chunks(SLOT_BYTES).zip(after.chunks(SLOT_BYTES)) {
        let newest = slots::newest(&seal(), &[new, new].concat()).unwrap();
        let kept = Contents::decode(&newest.plain).unwrap().bundles;
        assert_eq!(kept.iter().map(|bundle| bundle.epoch).collect::<Vec<_>>(), [3]);
        assert_ne!(old, new);
    }
    // Nothing to erase, nothing written.
    assert_eq!(store.erase_bundles(|_| true).unwrap(), 0);
    assert_eq!(fs::read(&store.path).unwrap(), after);
}

#[test]
fn a_store_is_never_overwritten() {
    let home = home();
    drop(KeyStore::create_with(home.path(), seal()).unwrap());
    let before = fs::read(home.path().join(SECRETS)).unwrap();
    assert!(matches!(KeyStore::create_with(home.path(), seal()), Err(KeyStoreError::Exists { .. })));
    assert_eq!(fs::read(home.path().join(SECRETS)).unwrap(), before);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn files_that_others_can_read_are_refused() {
    let home = home();
    drop(KeyStore::create(home.path()).unwrap());
    for name in [SECRETS, "seal.key"] {
        let path = home.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            chmod(&path, mode);
            let error = KeyStore::open(home.path()).unwrap_err();
            let said = format!("{error}; {}", error.remedy());
            assert!(matches!(error, KeyStoreError::TooOpen { .. }));
            for part in [path.to_str().unwrap(), &format!("{mode:04o}"), "chmod 600"] {
                assert!(said.contains(part), "{said} lacks {part}");
            }
        }
        chmod(&path, 0o600);
    }
    KeyStore::open(home.path()).unwrap();
}

#[test]
fn wrong_keys_sizes_and_kinds_are_named() {
    let home = home();
    let path = home.path().join(SECRETS);
    assert!(matches!(KeyStore::open(home.path()), Err(KeyStoreError::Missing { .. })));
    drop(KeyStore::create_with(home.path(), seal()).unwrap());
    let wrong = KeyStore::open_with(home.path(), SealKey::fixed([1; 32]));
    assert!(matches!(wrong, Err(KeyStoreError::WrongSealKey { .. })));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[1..]).unwrap();
    assert!(matches!(KeyStore::open_with(home.path(), seal()), Err(KeyStoreError::WrongSize { .. })));
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(matches!(KeyStore::open_with(home.path(), seal()), Err(KeyStoreError::WrongSize { .. })));
    let both = [vec![0; 100], whole[100..SLOT_BYTES].to_vec(), vec![0; SLOT_BYTES]].concat();
    fs::write(&path, both).unwrap();
    assert!(matches!(KeyStore::open_with(home.path(), seal()), Err(KeyStoreError::Damaged { .. })));
}

#[test]
fn one_process_at_a_time() {
    let home = home();
    let held = KeyStore::create_with(home.path(), seal()).unwrap();
    assert!(matches!(KeyStore::open_with(home.path(), seal()), Err(KeyStoreError::Locked { .. })));
    drop(held);
    KeyStore::open_with(home.path(), seal()).unwrap();
}

#[test]
fn a_bundle_too_many_is_refused_and_forgotten() {
    let home = home();
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    for epoch in 1..=2 {
        store.bundle_or_generate(&SCOPE, epoch, 683).unwrap();
    }
    assert!(matches!(store.bundle_or_generate(&SCOPE, 3, 683), Err(KeyStoreError::Full { .. })));
    assert_eq!(store.bundles().len(), 2);
}

#[test]
fn secrets_are_never_printed() {
    let home = home();
    let mut store = KeyStore::create_with(home.path(), seal()).unwrap();
    let bundle = store.bundle_or_generate(&SCOPE, 1, 2).unwrap();
    let (voting, ticket) = (hex::encode(*bundle.voting().seed()), hex::encode(*bundle.secrets().tickets[0].to_bytes()));
    let said = format!("{store:?}");
    for secret in [voting, ticket, hex::encode(*store.identity_secret().seed()), hex::encode(**store.long_lived())] {
        assert!(!said.contains(&secret));
    }
    assert!(said.contains("[REDACTED]"));
}

#[test]
fn keys_belong_to_one_database() {
    let home = home();
    let store = KeyStore::create_with(home.path(), seal()).unwrap();
    store.tie("one", false).unwrap();
    store.tie("one", false).unwrap();
    let refused = store.tie("two", false).unwrap_err();
    assert!(
        matches!(&refused, KeyStoreError::OtherDatabase { before, found, .. } if before == "one" && found == "two")
    );
    assert!(refused.remedy().contains("--restored"));
    store.tie("two", true).unwrap();
    store.tie("two", false).unwrap();
    store.tie("one", false).unwrap_err();
    let tied = home.path().join("database");
    assert_eq!(fs::metadata(&tied).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "no draft is left");
}
