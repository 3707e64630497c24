//! Polynomials over the positions 0..=T: extension, the dual code's weights, interpolation at 0.

use alloc::vec::Vec;
use curve25519_dalek::scalar::Scalar;
use zeroize::Zeroizing;

/// Extends p(0)..=p(t) of a polynomial of degree ≤ t to p(0)..=p(last), by additions alone. [pvss-4]
///
/// `values` comes with room for all of them, so that no copy of a secret stays behind. `diagonal[k]` is the k-th backward difference at the newest position; the t-th is constant.
pub(super) fn extend(values: &mut Zeroizing<Vec<Scalar>>, last: usize) {
    let mut row = Zeroizing::new(values.to_vec());
    let mut diagonal = Zeroizing::new(Vec::with_capacity(row.len()));
    while let Some(&newest) = row.last() {
        diagonal.push(newest);
        for i in 1..row.len() {
            row[i - 1] = row[i] - row[i - 1];
        }
        row.pop();
    }
    while values.len() <= last {
        for k in (1..diagonal.len()).rev() {
            let step = diagonal[k];
            diagonal[k - 1] += step;
        }
        values.push(diagonal[0]);
    }
}

/// Room for `capacity` secret scalars; a vector that grows would leave copies behind.
pub(super) fn secret_vec(capacity: usize) -> Zeroizing<Vec<Scalar>> {
    Zeroizing::new(Vec::with_capacity(capacity))
}

/// The weights of the dual code over 0..=T and what the closed form of m needs, all public.
#[derive(Clone)]
pub(super) struct Dual {
    /// K = T − t, the number of coefficients of m.
    terms: u64,
    /// v_j = (−1)^(T−j) / (j! (T−j)!).
    weights: Vec<Scalar>,
    /// v_j · j^K.
    raised: Vec<Scalar>,
}

impl Dual {
    /// For positions 0..=`last` and `terms` = K ≥ 1.
    pub(super) fn new(last: usize, terms: usize) -> Self {
        let terms = terms as u64;
        let factorial = (1..=last as u64).fold(Scalar::ONE, |product, i| product * Scalar::from(i));
        let mut inverse = alloc::vec![factorial.invert(); last + 1];
        for i in (0..last).rev() {
            inverse[i] = inverse[i + 1] * Scalar::from(i as u64 + 1);
        }
        let weights: Vec<_> = (0..=last)
            .map(|j| {
                let weight = inverse[j] * inverse[last - j];
                if (last - j).is_multiple_of(2) { weight } else { -weight }
            })
            .collect();
        let raised = weights.iter().zip(0u64..).map(|(v, j)| v * power(Scalar::from(j), terms)).collect();
        Dual { terms, weights, raised }
    }

    /// v_j · m(j) for every position of every z in `at`, in that order, where m(X) = Σ_{k<K} (zX)^k. [pvss-6]
    ///
    /// The closed form m(j) = ((zj)^K − 1)/(zj − 1) with one inversion for all; K where zj = 1.
    pub(super) fn combiners(&self, at: &[Scalar]) -> Vec<Scalar> {
        let width = self.weights.len();
        let mut inverses = Vec::with_capacity(at.len() * width);
        for z in at {
            inverses.extend(core::iter::successors(Some(-Scalar::ONE), |running| Some(running + z)).take(width));
        }
        let singular: Vec<_> = (0..inverses.len()).filter(|&i| inverses[i] == Scalar::ZERO).collect();
        singular.iter().for_each(|&i| inverses[i] = Scalar::ONE);
        Scalar::invert_batch_alloc(&mut inverses);
        let mut combiners = inverses;
        for (z, row) in at.iter().zip(combiners.chunks_exact_mut(width)) {
            let top = power(*z, self.terms);
            for ((inverse, v), raised) in row.iter_mut().zip(&self.weights).zip(&self.raised) {
                *inverse *= top * raised - v;
            }
        }
        singular.iter().for_each(|&i| combiners[i] = self.weights[i % width] * Scalar::from(self.terms));
        combiners
    }
}

fn power(base: Scalar, exponent: u64) -> Scalar {
    let mut result = Scalar::ONE;
    for bit in (0..u64::BITS - exponent.leading_zeros()).rev() {
        result *= result;
        if exponent >> bit & 1 == 1 {
            result *= base;
        }
    }
    result
}

/// Lagrange coefficients at 0 for distinct positions in 1..=683: λ_j = Π_{i≠j} i/(i − j). [pvss-12]
///
/// Products of twelve ten-bit differences fit a `u128`, so most of the work is on machine integers.
pub(super) fn lagrange_at_zero(positions: &[u16]) -> Vec<Scalar> {
    let all = product(positions.iter().map(|&i| u128::from(i)));
    let mut denominators: Vec<_> = positions
        .iter()
        .map(|&j| {
            let others = positions.iter().filter(|&&i| i != j);
            // j stands in for the factor i = j that the common numerator has too many.
            Scalar::from(j) * product(others.map(|&i| u128::from(i.abs_diff(j))))
        })
        .collect();
    Scalar::invert_batch_alloc(&mut denominators);
    positions
        .iter()
        .zip(denominators)
        .map(|(&j, inverse)| {
            let negative = positions.iter().filter(|&&i| i < j).count() % 2 == 1;
            let coefficient = all * inverse;
            if negative { -coefficient } else { coefficient }
        })
        .collect()
}

const FACTORS_PER_WORD: usize = 12;

fn product(factors: impl Iterator<Item = u128>) -> Scalar {
    let (mut result, mut word, mut count) = (Scalar::ONE, 1u128, 0);
    for factor in factors {
        word *= factor;
        count += 1;
        if count == FACTORS_PER_WORD {
            result *= Scalar::from(core::mem::replace(&mut word, 1));
            count = 0;
        }
    }
    result * Scalar::from(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horner(coefficients: &[Scalar], x: Scalar) -> Scalar {
        coefficients.iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + c)
    }

    /// z = 1/j makes a denominator zero, and z = 0 makes m constant; no hash reaches either, so they are tried here.
    #[test]
    fn pvss_6_the_closed_form_is_the_sum_also_where_it_is_singular() {
        for last in [1usize, 2, 3, 6, 11] {
            let terms = last + 1 - last.div_ceil(2);
            let dual = Dual::new(last, terms);
            let inverses = (1..=last as u64).map(|j| Scalar::from(j).invert());
            let at: Vec<_> = inverses.chain([Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(77u64)]).collect();
            let together = dual.combiners(&at);
            for (z, row) in at.iter().zip(together.chunks_exact(last + 1)) {
                assert_eq!(dual.combiners(&[*z]), row);
                for (j, combiner) in row.iter().enumerate() {
                    let m = horner(&alloc::vec![Scalar::ONE; terms], z * Scalar::from(j as u64));
                    assert_eq!(*combiner, dual.weights[j] * m, "z = 1/j at {j} of {last}");
                }
            }
        }
    }

    #[test]
    fn pvss_4_extension_continues_the_polynomial() {
        for degree in 0..6u64 {
            let coefficients: Vec<_> = (0..=degree).map(|k| Scalar::from(k * k + 3)).collect();
            for last in degree as usize..10 {
                let mut values = secret_vec(last + 1);
                values.extend((0..=degree).map(|j| horner(&coefficients, Scalar::from(j))));
                let room = values.capacity();
                extend(&mut values, last);
                assert_eq!((values.len(), values.capacity()), (last + 1, room), "no copy was left behind");
                for (j, value) in values.iter().enumerate() {
                    assert_eq!(*value, horner(&coefficients, Scalar::from(j as u64)));
                }
            }
        }
    }

    #[test]
    fn pvss_12_interpolation_takes_any_positions_up_to_the_largest() {
        let positions: Vec<u16> = (0..40).map(|i| 683 - 17 * i).collect();
        let coefficients: Vec<_> = (0..40u64).map(|k| Scalar::from(k + 9)).collect();
        let values = positions.iter().map(|&j| horner(&coefficients, Scalar::from(j)));
        let sum: Scalar = lagrange_at_zero(&positions).iter().zip(values).map(|(lambda, value)| lambda * value).sum();
        assert_eq!(sum, coefficients[0]);
    }
}
