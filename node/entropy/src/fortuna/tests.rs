use super::*;
use crate::draw::Draw;
use std::os::unix::fs::PermissionsExt;

fn take(generator: &mut Generator, count: usize) -> String {
    let mut out = vec![0u8; count];
    generator.random_data(&mut out).expect("seeded");
    hex::encode(&out[out.len() - 100..])
}

/// The answers were published with another implementation, made by a third one.
#[test]
fn the_generator_gives_the_published_answers() {
    let mut generator = Generator::default();
    generator.reseed(&[1, 2, 3, 4]);
    assert_eq!(
        take(&mut generator, 100),
        "52fee98bfe5506dede957823ad4759e833b6fc8b99996f1e10077cb99f183244ec6b8512d9db\
         2e86a99cd34aa31164ad1a46f6c139a4a7afe9dca07202c8d750cfda553aeb75b1df57c032fb\
         3d418d643be417d73a6bf8f867397f1ff15be62100a44d2e"
    );
    take(&mut generator, MAX_REQUEST);
    assert_eq!(
        take(&mut generator, 100),
        "7aa41a4366411ed9db710e56d692b9116b87b70712a27ece2e2636acf8c27654a292539c9860\
         c00f17e0714c1508e229a1abc5b48aec7e896519dbe103bd10f2215b221b08abab739d6df8c6\
         e312ccd32ab85c2aabdec675a286746d4dc3bb8b254ee03f"
    );
    generator.reseed(&[5]);
    assert_eq!(
        take(&mut generator, 100),
        "d9a88da72e09dabc627c6d80f216bd78b47c0fc07495d388fd843c031dfa5f4285c3254ef2ff\
         a0d1b96a44695391a548b3a735feb7fb80454e9cdb1a7cca2309aea72980b81902013f8ecda2\
         4544cffb650a1d218557bd24e53811648a314fefd2bd8d2e"
    );
}

#[test]
fn the_whole_gives_the_published_answers() {
    let mut fortuna = Fortuna::default();
    let ms = Duration::from_millis;
    let take = |fortuna: &mut Fortuna, now| {
        let mut out = [0u8; 100];
        fortuna.random_data(now, &mut out).expect("seeded");
        hex::encode(out)
    };
    for _ in 0..2 {
        fortuna.add_event(0, 0, &[0; 32]).expect("a good event");
    }
    for i in 0..1000 {
        fortuna.add_event(1, i % POOLS, &[1, 2]).expect("a good event");
    }
    assert_eq!(
        take(&mut fortuna, ms(0)),
        "e268d23850bbe0e883d323a331ed1889aa0d75aae54bed1d21352ebb159a121a9dba45a6f11c\
         94483ef196af0f46187d6f85db4d2b70fff3de98da3d65c42d82a11d49755b5118ad182d305a\
         de7f1ac358bfd816c8f59ea2da0a48f3c184ab1bb36336d0"
    );
    for _ in 0..2 {
        fortuna.add_event(0, 0, &[0; 32]).expect("a good event");
    }
    // Too early for the second reseed.
    assert_eq!(
        take(&mut fortuna, ms(99)),
        "22a392a10d5d76cce03ad78dc65a261aae97815bf91e5b17c705b4965ec90adf81bda27416ff\
         82b73227a807628adf81e7dec1423bbb1064aba9c20cc5790aee27cb2bc96e5b382c382cf626\
         191c5e5d41b7552e3d84126083108af10116c0f942f29970"
    );
    assert_eq!(
        take(&mut fortuna, ms(200)),
        "6209e96601c3f358a3043a4a929b985c0be56e6c7b64ed01973267a3782fd1e8f96421667e25\
         85683994bbffbae891b6908d070cf1b8be48cc7be3fa0e4804d9a78ede0df54de0dbb04a140d\
         978ae78722c0ec05a1f9dfd49ac60edec5e84bc786383ad4"
    );
    assert_eq!(fortuna.reseeds(), 2);
}

#[test]
fn it_refuses_while_unseeded_and_beyond_its_bounds() {
    let mut fortuna = Fortuna::default();
    let mut out = vec![0u8; MAX_REQUEST + 1];
    let zero = Duration::ZERO;
    assert_eq!(fortuna.random_data(zero, &mut out[..32]), Err(FortunaError::Unseeded));
    fortuna.add_event(0, 0, &[1; 32]).expect("a good event");
    fortuna.add_event(0, 0, &[1; 31]).expect("a good event");
    assert_eq!(
        fortuna.random_data(zero, &mut out[..32]),
        Err(FortunaError::Unseeded),
        "63 bytes in pool 0 are too few"
    );
    fortuna.add_event(0, 0, &[1]).expect("a good event");
    assert_eq!(fortuna.random_data(zero, &mut out[..32]), Ok(()));
    assert_eq!(fortuna.random_data(zero, &mut out[..MAX_REQUEST]), Ok(()));
    let length = MAX_REQUEST + 1;
    assert_eq!(fortuna.random_data(zero, &mut out), Err(FortunaError::Length { length }));
    assert_eq!(fortuna.random_data(zero, &mut []), Err(FortunaError::Length { length: 0 }));
    assert_eq!(fortuna.add_event(0, 0, &[]), Err(FortunaError::Event { length: 0 }));
    assert_eq!(fortuna.add_event(0, 0, &[0; 33]), Err(FortunaError::Event { length: 33 }));
    assert_eq!(fortuna.add_event(0, 32, &[0]), Err(FortunaError::Pool { pool: 32 }));
}

#[test]
fn each_reseed_uses_exactly_the_pools_that_divide_it() {
    // An event in pool i changes the output from reseed 2^i on and not before.
    let run = |marked: Option<usize>| -> Vec<[u8; 16]> {
        let mut fortuna = Fortuna::default();
        if let Some(pool) = marked {
            fortuna.add_event(9, pool, b"mark").expect("a good event");
        }
        let reseed = |r: u64| {
            fortuna.add_event(0, 0, &[1; 32]).expect("a good event");
            fortuna.add_event(0, 0, &[2; 32]).expect("a good event");
            let mut out = [0u8; 16];
            fortuna.random_data(Duration::from_secs(r), &mut out).expect("seeded");
            out
        };
        (1..=16).map(reseed).collect()
    };
    let plain = run(None);
    for pool in 0..5 {
        let marked = run(Some(pool));
        let first = (0..16).position(|r| plain[r] != marked[r]);
        assert_eq!(first, Some((1 << pool) - 1), "pool {pool}");
    }
}

fn seeded() -> Service {
    let service = Service::new(Settings::default());
    service.seed_directly(b"a seed of the test");
    service
}

#[test]
fn the_service_amplifies_by_its_factor() {
    let service = seeded();
    assert_eq!(service.amplify(&[7; 10], None).expect("seeded").len(), 40);
    assert_eq!(service.amplify(&[7; 10], Some(5)).expect("seeded").len(), 5);
    service.set(Settings { amplification_factor: 8, ..service.settings() });
    assert_eq!(service.amplify(&[7; 10], None).expect("seeded").len(), 80);
    assert_eq!(service.amplify(&[], None), Err(FortunaError::NoSeeds));
    let length = usize::MAX;
    assert_eq!(service.amplify(&[1], Some(length)), Err(FortunaError::Length { length }));
    let unseeded = Service::new(Settings::default());
    assert_eq!(unseeded.amplify(&[7; 64], None), Err(FortunaError::Unseeded));
}

#[test]
fn seeds_from_outside_go_round_the_pools() {
    let service = Service::new(Settings::default());
    assert_eq!(service.seed(1, &[]), Err(FortunaError::NoSeeds));
    assert_eq!(service.seed(1, &[vec![1; 32], vec![2; 40]]), Ok(2));
    assert_eq!(service.info().events, 3);
    assert_eq!(service.generate(1).map(|_| ()), Err(FortunaError::Unseeded));
    // The 33rd event is the second in pool 0.
    for _ in 0..30 {
        service.add(1, &[3; 32]).expect("a good event");
    }
    assert_eq!(service.generate(32).map(|out| out.len()), Ok(32));
    let mut handle = &service;
    assert_eq!(handle.bytes(MAX_REQUEST + 1).map(|out| out.len()), Ok(MAX_REQUEST + 1));
    assert_eq!(service.info().reseeds, 1);
}

#[test]
fn the_seed_file_is_private_atomic_and_never_used_twice() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("seed");
    let service = seeded();
    assert!(!service.load_seed_file(&path).expect("absent is no error"));
    service.save_seed_file(&path).expect("saved");
    let mode = std::fs::metadata(&path).expect("exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read(&path).expect("readable");
    assert_eq!(first.len(), SEED_LENGTH);

    let next = Service::new(Settings::default());
    assert!(next.load_seed_file(&path).expect("loaded"));
    assert_ne!(std::fs::read(&path).expect("readable"), first, "overwritten on start");
    assert_eq!(next.generate(32).map(|out| out.len()), Ok(32));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("widened");
    let other = Service::new(Settings::default());
    assert!(matches!(other.load_seed_file(&path), Err(SeedFileError::Permissions)));
    std::fs::write(&path, b"short").expect("written");
    assert!(matches!(other.load_seed_file(&path), Err(SeedFileError::Length)));
    assert!(matches!(other.save_seed_file(&path), Err(SeedFileError::Unseeded)));
    assert_eq!(other.generate(1).map(|_| ()), Err(FortunaError::Unseeded));
}
