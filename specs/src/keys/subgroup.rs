//! Whether points of the curve are torsion-free, sooner than by multiplying them with the order ℓ. [keys-2]
//!
//! The group of the curve is cyclic of order 8ℓ, so a point is torsion-free if and only if it is eight times another. On
//! the Montgomery form v² = u(u² + Au + 1), A = 486662, all that this takes are squares (point halving after Pornin,
//! ePrint 2022/1164, and a pairing of order four after Koshelev, ePrint 2022/037, both put together here):
//!
//! 1. P = (U, V) is twice a point Q = (u, v) if and only if U is a square, and then so is U² + AU + 1. With s the root of
//!    that, one of 2U + A ± 2s is a square e²; the product of the two is A² − 4, which is none. Q has v = e·u and
//!    2u = e² − A + 2e·√U. Other signs of the roots lead to −Q or to Q + (0, 0), for which the second step says the same.
//! 2. Q is four times a point if and only if its Tate pairing of order four with T = (1, √(A + 2)) is 1. The function with
//!    the divisor 4T − 4O is (v − √(A + 2)·u)² / u, so this asks whether u·(e − √(A + 2))² is a fourth power.
//!
//! Each root and the last question are one power with the exponent (p − 5)/8, four in all, and those of several points
//! are worked out side by side, because a processor has room for several at a time. Everything here is public, so the
//! time that it takes may depend on it. That the verdicts are those of ℓ·P = O is what the tests compare.

use alloc::vec::Vec;

/// An element of the field of p = 2^255 − 19: limbs of 51 bits, each below 2^54 where it is multiplied.
#[derive(Clone, Copy)]
struct Element([u64; 5]);

const LOW: u64 = (1 << 51) - 1;

const ONE: Element = Element([1, 0, 0, 0, 0]);
const A: Element = Element([486_662, 0, 0, 0, 0]);
/// √−1
const I: Element = Element([
    1_718_705_420_411_056,
    234_908_883_556_509,
    2_233_514_472_574_048,
    2_117_202_627_021_982,
    765_476_049_583_133,
]);
/// √(A + 2)
const TANGENT: Element = Element([
    643_143_913_980_949,
    251_828_200_308_020,
    2_201_891_178_899_527,
    378_099_121_503_595,
    1_898_097_605_057_180,
]);
/// A square root of √−1·(A² − 4) or of its negative.
const SWAP: Element = Element([
    261_169_650_970_059,
    1_522_779_693_337_321,
    2_055_424_270_967_684,
    1_979_812_102_228_847,
    1_660_278_198_338_864,
]);

/// Whether all of these are torsion-free: canonical encodings of points, none of them of small order.
pub(crate) fn all_torsion_free(points: &[[u8; 32]]) -> bool {
    // U = n/d. Every root is worked out times d, so that nothing is divided.
    let fractions: Vec<(Element, Element)> =
        points.iter().map(Element::read).map(|y| (ONE.plus(&y), ONE.minus(&y))).collect();
    let Some(u_roots) = roots(fractions.iter().map(|(n, d)| n.times(d)).collect()) else { return false };
    let curve = |(n, d): &(Element, Element)| n.squared().plus(&A.times(n).plus(d).times(d));
    let Some(s_roots) = roots(fractions.iter().map(curve).collect()) else { return false };
    let sums: Vec<Sum> = fractions.iter().zip(&s_roots).map(|((n, d), s)| Sum::new(n, d, s)).collect();
    let of_sums = powers(sums.iter().map(|sum| sum.plus).collect());
    let last = sums.iter().zip(of_sums).zip(fractions.iter().zip(&u_roots)).map(|((sum, power), ((_, d), u_root))| {
        let e = sum.root(&power, d);
        let u = e.squared().minus(&A.times(d).times(d)).plus(&e.times(u_root).doubled());
        // The third power of two turns 2u into u: sixteen is a fourth power.
        u.doubled().doubled().doubled().times(&e.minus(&TANGENT.times(d)).squared())
    });
    let last: Vec<Element> = last.collect();
    // A fourth power to the (p − 1)/4 is 1, and that is twice (p − 5)/8 and one more.
    last.iter().zip(powers(last.clone())).all(|(value, power)| power.squared().times(value).is(&ONE))
}

/// 2U + A + 2s and 2U + A − 2s, each times d².
struct Sum {
    plus: Element,
    minus: Element,
}

impl Sum {
    fn new(n: &Element, d: &Element, s: &Element) -> Sum {
        let (middle, twice) = (n.doubled().plus(&A.times(d)), s.doubled());
        Sum { plus: middle.plus(&twice).times(d), minus: middle.minus(&twice).times(d) }
    }

    /// The root of the one that is a square, given the power of the first.
    fn root(&self, power: &Element, d: &Element) -> Element {
        let root = self.plus.times(power);
        if root.squared().is(&self.plus) {
            return root;
        }
        let turned = root.times(&I);
        if turned.squared().is(&self.plus) {
            return turned;
        }
        // Their product is d⁴(A² − 4), from which the root of the second follows.
        let root = SWAP.times(&self.plus).times(&power.squared().times(power)).times(&d.squared());
        if root.squared().is(&self.minus) { root } else { root.times(&I) }
    }
}

/// The square roots of all values; nothing if there is one that has none.
fn roots(values: Vec<Element>) -> Option<Vec<Element>> {
    let powers = powers(values.clone());
    let root = |(value, power): (&Element, Element)| {
        let root = value.times(&power);
        let turned = root.times(&I);
        [root, turned].into_iter().find(|root| root.squared().is(value))
    };
    values.iter().zip(powers).map(root).collect()
}

/// The powers of all values with the exponent (p − 5)/8 = 2^252 − 3.
fn powers(values: Vec<Element>) -> Vec<Element> {
    let product = |one: &[Element], other: &[Element]| -> Vec<Element> {
        one.iter().zip(other).map(|(one, other)| one.times(other)).collect()
    };
    // All ones in binary, so many of them: the sum of two such numbers of digits is had from their powers.
    let ones = |long: &[Element], digits: u32, short: &[Element]| product(&squared_often(long.to_vec(), digits), short);
    let two = ones(&values, 1, &values);
    let four = ones(&two, 2, &two);
    let five = ones(&four, 1, &values);
    let ten = ones(&five, 5, &five);
    let twenty = ones(&ten, 10, &ten);
    let forty = ones(&twenty, 20, &twenty);
    let fifty = ones(&forty, 10, &ten);
    let hundred = ones(&fifty, 50, &fifty);
    let two_hundred = ones(&hundred, 100, &hundred);
    let two_hundred_and_fifty = ones(&two_hundred, 50, &fifty);
    product(&squared_often(two_hundred_and_fifty, 2), &values)
}

fn squared_often(mut values: Vec<Element>, times: u32) -> Vec<Element> {
    for _ in 0..times {
        for value in &mut values {
            *value = value.squared();
        }
    }
    values
}

impl Element {
    /// Of 32 bytes, least significant first, without the highest bit.
    fn read(bytes: &[u8; 32]) -> Element {
        let mut limbs = [0; 5];
        for (bit, limb) in (0..).step_by(51).zip(&mut limbs) {
            let word = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
            let whole = (0..8).fold(0, |sum, byte| sum | word(bit / 8 + byte) << (8 * byte));
            *limb = whole >> (bit % 8) & LOW;
        }
        Element(limbs)
    }

    fn plus(&self, other: &Element) -> Element {
        Element(core::array::from_fn(|i| self.0[i] + other.0[i])).carried()
    }

    fn doubled(&self) -> Element {
        self.plus(self)
    }

    /// 16p is added before, whose limbs are above any other's.
    fn minus(&self, other: &Element) -> Element {
        let many = |i| if i == 0 { (LOW - 18) << 4 } else { LOW << 4 };
        Element(core::array::from_fn(|i| self.0[i] + many(i) - other.0[i])).carried()
    }

    /// The same with limbs of 51 bits and hardly more.
    fn carried(&self) -> Element {
        let [a, b, c, d, e] = self.0;
        Element([
            (a & LOW) + (e >> 51) * 19,
            (b & LOW) + (a >> 51),
            (c & LOW) + (b >> 51),
            (d & LOW) + (c >> 51),
            (e & LOW) + (d >> 51),
        ])
    }

    #[inline(always)]
    fn times(&self, other: &Element) -> Element {
        let ([a, b, c, d, e], [v, w, x, y, z]) = (self.0, other.0);
        let (w19, x19, y19, z19) = (w * 19, x * 19, y * 19, z * 19);
        Element::of_products([
            sum([by(a, v), by(b, z19), by(c, y19), by(d, x19), by(e, w19)]),
            sum([by(a, w), by(b, v), by(c, z19), by(d, y19), by(e, x19)]),
            sum([by(a, x), by(b, w), by(c, v), by(d, z19), by(e, y19)]),
            sum([by(a, y), by(b, x), by(c, w), by(d, v), by(e, z19)]),
            sum([by(a, z), by(b, y), by(c, x), by(d, w), by(e, v)]),
        ])
    }

    #[inline(always)]
    fn squared(&self) -> Element {
        let [a, b, c, d, e] = self.0;
        let (a2, b2, c2, d19, e19, e38) = (a * 2, b * 2, c * 2, d * 19, e * 19, e * 38);
        Element::of_products([
            sum([by(a, a), by(b, e38), by(c2, d19)]),
            sum([by(a2, b), by(c, e38), by(d, d19)]),
            sum([by(a2, c), by(b, b), by(d, e38)]),
            sum([by(a2, d), by(b2, c), by(e, e19)]),
            sum([by(a2, e), by(b2, d), by(c, c)]),
        ])
    }

    /// From limbs' products, each below 2^115.
    #[inline(always)]
    fn of_products(products: [u128; 5]) -> Element {
        let [a, mut b, mut c, mut d, mut e] = products;
        let over = |product: u128| (product >> 51) as u64;
        b = b.wrapping_add(over(a).into());
        c = c.wrapping_add(over(b).into());
        d = d.wrapping_add(over(c).into());
        e = e.wrapping_add(over(d).into());
        let low = |product: u128| product as u64 & LOW;
        let first = low(a).wrapping_add(over(e).wrapping_mul(19));
        Element([first & LOW, low(b) + (first >> 51), low(c), low(d), low(e)])
    }

    /// Whether the two are equal modulo p.
    fn is(&self, other: &Element) -> bool {
        let Element(mut limbs) = self.minus(other);
        for _ in 0..2 {
            let mut over = 0;
            for limb in &mut limbs {
                let whole = *limb + over;
                (*limb, over) = (whole & LOW, whole >> 51);
            }
            limbs[0] += over * 19;
        }
        // What is below 2^255 spells zero in two ways.
        limbs == [0; 5] || limbs == [LOW - 18, LOW, LOW, LOW, LOW]
    }
}

/// A product, which always fits; wrapping, because a check would cost as much again.
#[inline(always)]
fn by(one: u64, other: u64) -> u128 {
    u128::from(one).wrapping_mul(u128::from(other))
}

/// The sum of limbs' products, which always fits.
#[inline(always)]
fn sum<const N: usize>(products: [u128; N]) -> u128 {
    products.into_iter().fold(0, u128::wrapping_add)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
    use sha2::{Digest, Sha512};

    use super::*;

    /// Bytes that nobody chose.
    fn some(what: &str, number: u32) -> [u8; 32] {
        let hash = Sha512::new().chain_update(what).chain_update(number.to_le_bytes()).finalize();
        core::array::from_fn(|i| hash[i])
    }

    /// Torsion-free points, without the identity.
    fn points() -> impl Iterator<Item = EdwardsPoint> {
        (0..).filter_map(|number| Some(CompressedEdwardsY(some("point", number)).decompress()?.mul_by_cofactor()))
    }

    #[test]
    fn the_field_is_one() {
        let element = |number| Element::read(&some("element", number));
        assert!(I.squared().is(&ONE.minus(&ONE).minus(&ONE)));
        assert!(TANGENT.squared().is(&A.plus(&ONE.doubled())));
        let swapped = I.times(&A.squared().minus(&ONE.doubled().doubled()));
        assert!(SWAP.squared().is(&swapped) || SWAP.squared().plus(&swapped).is(&ONE.minus(&ONE)));
        for number in 0..200 {
            let (a, b) = (element(2 * number), element(2 * number + 1));
            assert!(a.times(&a).is(&a.squared()) && a.times(&b).is(&b.times(&a)) && !a.is(&b));
            assert!(a.plus(&b).times(&a.minus(&b)).is(&a.squared().minus(&b.squared())));
            // Eight times (p − 5)/8 and four more is p − 1.
            let power = powers(Vec::from([a]))[0];
            assert!(power.squared().squared().squared().times(&a.squared().squared()).is(&ONE));
        }
        // p − 1, p and p + 1, and 2^255 − 1.
        let near =
            |first: u8| Element::read(&core::array::from_fn(|i| [first, 0xff, 0x7f][usize::from(i > 0) + i / 31]));
        assert!(near(0xec).plus(&ONE).is(&near(0xed)) && near(0xed).is(&ONE.minus(&ONE)) && near(0xee).is(&ONE));
        assert!(near(0xff).is(&Element([18, 0, 0, 0, 0])) && !near(0xff).is(&near(0xed)));
    }

    /// The definition, by dalek's multiplication with the order.
    #[test]
    fn keys_2_verdicts_are_those_of_the_order() {
        for point in points().take(200) {
            for torsion in EIGHT_TORSION {
                let point = point + torsion;
                assert_eq!(all_torsion_free(&[point.compress().0]), point.is_torsion_free(), "{torsion:?}");
            }
        }
    }

    #[test]
    fn keys_2_one_of_many_with_torsion_is_enough() {
        let mut many: Vec<[u8; 32]> = points().take(16).map(|point| point.compress().0).collect();
        assert!(all_torsion_free(&many) && all_torsion_free(&[]));
        for (place, point) in points().take(16).enumerate() {
            for torsion in &EIGHT_TORSION[1..] {
                let good = core::mem::replace(&mut many[place], (point + torsion).compress().0);
                assert!(!all_torsion_free(&many));
                many[place] = good;
            }
        }
    }
}
