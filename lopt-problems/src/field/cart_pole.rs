//! A pole on a cart that is pushed to the left or to the right, and episodes of it.

use lopt_core::rng::{Rng, uniform, unit};

/// State of cart and pole, in metres, radians and seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CartPole {
    /// Where the cart is.
    position: f64,
    /// Speed of the cart.
    speed: f64,
    /// Angle of the pole from the vertical.
    angle: f64,
    /// Speed of that angle.
    turning: f64,
}

impl CartPole {
    /// A start away from the middle and in motion, from which the pole can be kept from falling.
    fn draw(rng: &mut Rng) -> Self {
        let mut within = |bound: f64| uniform(rng, -bound, bound);
        Self {
            position: within(1.2),
            speed: within(0.8),
            angle: within(0.12),
            turning: within(0.6),
        }
    }

    /// Accelerations of the cart and of the angle under a horizontal force on the cart.
    ///
    /// Equations of Barto, Sutton & Anderson 1983 (appendix) without friction: the pole is a uniform
    /// rod.
    fn accelerations(&self, force: f64) -> (f64, f64) {
        let (sin, cos) = self.angle.sin_cos();
        let mass = CART + POLE;
        let pull = (force + POLE * HALF_LENGTH * self.turning * self.turning * sin) / mass;
        let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / mass);
        let angular = (GRAVITY * sin - cos * pull) / inertia;
        (pull - POLE * HALF_LENGTH * angular * cos / mass, angular)
    }

    /// The state after one decision: two steps of Euler's method, pushed to the right or to the left.
    fn pushed(mut self, right: bool) -> Self {
        let force = if right { FORCE } else { -FORCE };
        for _ in 0..2 {
            let (linear, angular) = self.accelerations(force);
            self.position += EULER_STEP * self.speed;
            self.speed += EULER_STEP * linear;
            self.angle += EULER_STEP * self.turning;
            self.turning += EULER_STEP * angular;
        }
        self
    }

    /// A quarter for a pole that stands, up to 1 the nearer the cart is to the middle of the track;
    /// `None` if the pole has fallen or the cart has left the track.
    fn reward(&self) -> Option<f64> {
        let stands = self.position.abs() <= TRACK && self.angle.abs() <= FALLEN;
        stands.then(|| 0.25 + 0.75 / (1.0 + (self.position / NEAR).powi(2)))
    }

    /// What a policy sees before decision `decision`; all numbers of order 1.
    fn observe(&self, decision: usize) -> [f32; OBSERVED] {
        let left = 1.0 - decision as f64 / DECISIONS as f64;
        let state = [
            self.position / TRACK,
            self.speed / 2.0,
            self.angle / FALLEN,
            self.turning / 2.0,
            left,
        ];
        state.map(|x| x as f32)
    }
}

/// The random numbers of some episodes: whatever policy acts in them, they stay the same.
#[derive(Debug, Clone)]
pub(super) struct Episodes {
    starts: Vec<CartPole>,
    /// For every decision of every episode a number of `[0, 1)`: right if the probability of right is
    /// above it. `[DECISIONS, episodes]`.
    dice: Vec<f64>,
}

impl Episodes {
    /// Draws `count` episodes.
    pub(super) fn draw(count: usize, rng: &mut Rng) -> Self {
        let starts = (0..count).map(|_| CartPole::draw(rng)).collect();
        let dice = (0..DECISIONS * count).map(|_| unit(rng)).collect();
        Self { starts, dice }
    }

    /// Lets a policy act until all episodes are over.
    ///
    /// * `policy`: from the observations of `B` episodes, `(B, OBSERVED)`, to `B` pairs of the logit of
    ///   pushing right and the value that is expected.
    pub(super) fn roll_out(&self, mut policy: impl FnMut(&[f32]) -> Vec<f32>) -> Visits {
        let count = self.starts.len();
        let mut states = self.starts.clone();
        let mut standing: Vec<usize> = (0..count).collect();
        let mut visits = Visits::default();
        let mut moves: Vec<(usize, f64)> = Vec::new();
        for (decision, dice) in self.dice.chunks_exact(count).enumerate() {
            let observed = standing.iter().flat_map(|&i| states[i].observe(decision));
            let first = visits.observations.len();
            visits.observations.extend(observed);
            let answers = policy(&visits.observations[first..]);
            for (&i, answer) in standing.iter().zip(answers.chunks_exact(2)) {
                let right = dice[i] < 1.0 / (1.0 + f64::from(-answer[0]).exp());
                states[i] = states[i].pushed(right);
                visits.pushes.push(if right { 1.0 } else { -1.0 });
                visits.values.push(answer[1]);
                let reward = states[i].reward().unwrap_or(0.0);
                // A policy that has become NaN must not pass for one that always pushes left.
                moves.push((i, if answer[0].is_nan() { f64::NAN } else { reward }));
            }
            standing.retain(|&i| states[i].reward().is_some());
            if standing.is_empty() {
                break;
            }
        }
        visits.mean_return = moves.iter().map(|(_, reward)| reward).sum::<f64>() / count as f64;
        visits.futures = futures(count, &moves);
        visits
    }
}

/// The discounted sums of the rewards from each move on, times `1 - DISCOUNT`, so that they are of
/// order 1.
///
/// * `moves`: number of the episode and reward, in the order in which they were made.
fn futures(episodes: usize, moves: &[(usize, f64)]) -> Vec<f32> {
    let mut after = vec![0.0; episodes];
    let mut futures = vec![0.0; moves.len()];
    for (future, &(i, reward)) in futures.iter_mut().zip(moves).rev() {
        after[i] = reward + DISCOUNT * after[i];
        *future = ((1.0 - DISCOUNT) * after[i]) as f32;
    }
    futures
}

/// The states in which decisions were made, `S` of all episodes together.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits {
    /// `(S, OBSERVED)`.
    pub(super) observations: Vec<f32>,
    /// `[S]`, 1 for a push to the right, -1 for one to the left.
    pub(super) pushes: Vec<f32>,
    /// `[S]`, what the policy expected of `futures`.
    pub(super) values: Vec<f32>,
    /// `[S]`, discounted sums of the rewards from there on, times `1 - DISCOUNT`.
    pub(super) futures: Vec<f32>,
    /// Mean over the episodes of the sum of rewards, at most [`DECISIONS`].
    pub(super) mean_return: f64,
}

/// Numbers that a policy sees: the four of the state, and how much of the episode is left.
pub(super) const OBSERVED: usize = 5;

/// Decisions of an episode in which the pole does not fall: 2.56 seconds.
pub(super) const DECISIONS: usize = 64;

/// Weight of a reward against one a decision earlier.
const DISCOUNT: f64 = 0.97;

/// Mass of the cart in kilograms.
const CART: f64 = 1.0;

/// Mass of the pole in kilograms.
const POLE: f64 = 0.1;

/// Half the length of the pole in metres.
const HALF_LENGTH: f64 = 0.5;

/// In metres per square second.
const GRAVITY: f64 = 9.8;

/// Of a push, in newtons.
const FORCE: f64 = 10.0;

/// In seconds.
const EULER_STEP: f64 = 0.02;

/// Distance from the middle to either end of the track, in metres.
const TRACK: f64 = 2.4;

/// Distance from the middle at which half of the reward for nearness is left, in metres.
const NEAR: f64 = 0.25;

/// Angle at which the pole counts as fallen, 12 degrees, in radians.
const FALLEN: f64 = 12.0 * std::f64::consts::PI / 180.0;

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;

    /// The energy of cart and pole changes by force times speed.
    #[test]
    fn accelerations_keep_the_energy() {
        let mut rng = stream(1, &[]);
        for _ in 0..20 {
            let state = CartPole::draw(&mut rng);
            let CartPole { speed, angle, turning, .. } = state;
            let force = uniform(&mut rng, -FORCE, FORCE);
            let (linear, angular) = state.accelerations(force);
            let (sin, cos) = angle.sin_cos();
            let arm = POLE * HALF_LENGTH;
            let power = (CART + POLE) * speed * linear
                + arm * (linear * turning * cos + speed * angular * cos)
                - arm * speed * turning * turning * sin
                + 4.0 / 3.0 * arm * HALF_LENGTH * turning * angular
                - arm * GRAVITY * sin * turning;
            assert!((power - force * speed).abs() < 1e-12, "{power} {}", force * speed);
        }
    }

    #[test]
    fn futures_are_discounted_sums() {
        let moves = [(0, 1.0), (1, 2.0), (0, 3.0), (0, 4.0)];
        let expected = [1.0 + DISCOUNT * (3.0 + DISCOUNT * 4.0), 2.0, 3.0 + DISCOUNT * 4.0, 4.0];
        for (future, expected) in futures(2, &moves).into_iter().zip(expected) {
            assert!((f64::from(future) - (1.0 - DISCOUNT) * expected).abs() < 1e-7);
        }
    }

    #[test]
    fn a_fallen_pole_ends_its_episode() {
        let episodes = Episodes::draw(10, &mut stream(2, &[]));
        let always = |logit: f32| {
            move |observations: &[f32]| [logit, 0.5].repeat(observations.len() / OBSERVED)
        };
        for (logit, push) in [(30.0, 1.0), (-30.0, -1.0)] {
            let visits = episodes.roll_out(always(logit));
            let count = visits.pushes.len();
            // A pole that is pushed to one side only falls within half a second.
            assert!((20..200).contains(&count), "{count}");
            assert!(visits.pushes.iter().all(|&x| x == push));
            assert_eq!(visits.observations.len(), count * OBSERVED);
            assert_eq!((visits.values.len(), visits.futures.len()), (count, count));
            assert!(visits.mean_return > 0.0 && visits.mean_return < count as f64 / 10.0);
        }
    }

    /// Pushing to the side to which the pole leans keeps it up, so that the job can be solved.
    #[test]
    fn a_hand_written_rule_keeps_the_pole_up() {
        let episodes = Episodes::draw(200, &mut stream(3, &[]));
        let visits = episodes.roll_out(|observations| {
            let rule = |x: &[f32]| {
                let lean = 0.3 * x[0] + 0.6 * x[1] + 2.0 * x[2] + 4.0 * x[3];
                [20.0 * lean, 0.0]
            };
            observations.chunks_exact(OBSERVED).flat_map(rule).collect()
        });
        let kept = visits.pushes.len() as f64 / (200 * DECISIONS) as f64;
        let reward = visits.mean_return / DECISIONS as f64;
        assert!(kept > 0.98 && reward > 0.25 && reward < 1.0, "{kept} {reward}");
    }
}
