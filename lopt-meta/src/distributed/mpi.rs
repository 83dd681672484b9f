//! Messages over MPI, without ever waiting for a process that may be dead.
//!
//! Sends and receives are started and looked after, never waited for: a process that stops in the
//! middle of a message blocks nobody. The safe calls of the `mpi` crate tie the buffer of a running
//! request to a scope, which a queue of buffers cannot have; hence the plain calls underneath.
#![allow(unsafe_code, reason = "requests that outlive the call that started them")]

use super::transport::{Transport, TransportError};
use mpi::environment::Universe;
use mpi::ffi::{self, MPI_Request};
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// Tag of our messages.
const TAG: i32 = 7;
/// Shortest and longest pause between looks: cores may be shared with those who unroll.
const PAUSES: [Duration; 2] = [Duration::from_micros(20), Duration::from_millis(1)];

/// The processes that `mpirun` started.
pub struct MpiTransport {
    // taken out only to end without MPI_Finalize, which would wait for the dead
    universe: Option<Universe>,
    rank: usize,
    size: usize,
    outgoing: Vec<Pending>,
    incoming: VecDeque<Pending>,
}

/// A request with the memory it works on, which must stay until the request is done.
struct Pending {
    bytes: Vec<u8>,
    request: MPI_Request,
    peer: i32,
}

impl MpiTransport {
    /// Joins the others; MPI is to be called by this thread only.
    ///
    /// # Errors
    ///
    /// If MPI does not start.
    pub fn join() -> Result<Self, TransportError> {
        let threading = mpi::Threading::Funneled;
        let (universe, _) =
            mpi::initialize_with_threading(threading).ok_or(TransportError::Start)?;
        let (mut rank, mut size) = (0, 0);
        // SAFETY: MPI is initialized; the pointers are those of live integers
        let codes = unsafe {
            [
                ffi::MPI_Comm_set_errhandler(ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ERRORS_RETURN),
                ffi::MPI_Comm_rank(ffi::RSMPI_COMM_WORLD, &raw mut rank),
                ffi::MPI_Comm_size(ffi::RSMPI_COMM_WORLD, &raw mut size),
            ]
        };
        codes.into_iter().try_for_each(|code| check("say who is there", code))?;
        let (rank, size) = (rank as usize, size as usize);
        let (outgoing, incoming) = (Vec::new(), VecDeque::new());
        Ok(Self { universe: Some(universe), rank, size, outgoing, incoming })
    }

    /// Ends properly, together with everybody: all have to come. What is still on its way to them is
    /// waited for.
    pub fn finish(mut self) {
        while !self.outgoing.is_empty() {
            self.look_after_outgoing();
            std::thread::sleep(PAUSES[0]);
        }
        drop(self.universe.take());
    }

    /// Ends this process, or the whole run, without waiting for anybody.
    pub fn abandon(self, code: i32, everybody: bool) -> ! {
        if everybody && self.size > 1 {
            // SAFETY: MPI is initialized; all other processes are to end, too
            unsafe { ffi::MPI_Abort(ffi::RSMPI_COMM_WORLD, code) };
        }
        std::process::exit(code)
    }

    fn look_after_outgoing(&mut self) {
        let mut i = 0;
        while i < self.outgoing.len() {
            // a message that cannot be delivered is lost with its receiver, which will be noticed
            if self.outgoing[i].is_done().unwrap_or(true) {
                self.outgoing.swap_remove(i);
            } else {
                i += 1;
            }
        }
    }

    /// Starts to receive what has been announced, if anything has.
    fn accept(&mut self) -> Result<bool, TransportError> {
        let mut flag = 0;
        let mut bytes = 0;
        // SAFETY: both types are plain C data that MPI_Improbe fills in
        let (mut message, mut status): (ffi::MPI_Message, ffi::MPI_Status) =
            unsafe { std::mem::zeroed() };
        // SAFETY: the pointers are those of live variables of the right types
        let code = unsafe {
            ffi::MPI_Improbe(
                ffi::RSMPI_ANY_SOURCE,
                TAG,
                ffi::RSMPI_COMM_WORLD,
                &raw mut flag,
                &raw mut message,
                &raw mut status,
            )
        };
        check("look for messages", code)?;
        if flag == 0 {
            return Ok(false);
        }
        // SAFETY: the status was filled in by MPI_Improbe
        let code =
            unsafe { ffi::MPI_Get_count(&raw const status, ffi::RSMPI_UINT8_T, &raw mut bytes) };
        check("count a message", code)?;
        let mut pending = Pending {
            bytes: vec![0; bytes.max(0) as usize],
            // SAFETY: reading a constant of MPI
            request: unsafe { ffi::RSMPI_REQUEST_NULL },
            peer: status.MPI_SOURCE,
        };
        // SAFETY: the buffer has `bytes` bytes and lives on the heap until the request is done
        let code = unsafe {
            ffi::MPI_Imrecv(
                pending.bytes.as_mut_ptr().cast(),
                bytes,
                ffi::RSMPI_UINT8_T,
                &raw mut message,
                &raw mut pending.request,
            )
        };
        check("receive", code)?;
        self.incoming.push_back(pending);
        Ok(true)
    }

    /// The first message that is complete, not overtaking an earlier one of its sender.
    fn complete(&mut self) -> Option<(usize, Vec<u8>)> {
        for i in 0..self.incoming.len() {
            let peer = self.incoming[i].peer;
            let first = self.incoming.iter().take(i).all(|earlier| earlier.peer != peer);
            // half a message of a process that died is handed on too: its checksum will not match
            if first && self.incoming[i].is_done().unwrap_or(true) {
                return self.incoming.remove(i).map(|done| (peer as usize, done.bytes));
            }
        }
        None
    }
}

impl Pending {
    /// Whether MPI is done with the memory.
    fn is_done(&mut self) -> Result<bool, TransportError> {
        let mut flag = 0;
        // SAFETY: the request is live or null, the flag is a live integer
        let code = unsafe {
            ffi::MPI_Test(&raw mut self.request, &raw mut flag, ffi::RSMPI_STATUS_IGNORE)
        };
        check("complete a message", code)?;
        Ok(flag != 0)
    }
}

impl Transport for MpiTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) -> Result<(), TransportError> {
        if to >= self.size {
            return Err(TransportError::NoRank { rank: to });
        }
        let count = i32::try_from(bytes.len())
            .map_err(|_| TransportError::TooLong { bytes: bytes.len() })?;
        // SAFETY: reading a constant of MPI
        let request = unsafe { ffi::RSMPI_REQUEST_NULL };
        let mut pending = Pending { bytes, request, peer: to as i32 };
        // SAFETY: the buffer has `count` bytes and lives on the heap until the request is done
        let code = unsafe {
            ffi::MPI_Isend(
                pending.bytes.as_ptr().cast(),
                count,
                ffi::RSMPI_UINT8_T,
                pending.peer,
                TAG,
                ffi::RSMPI_COMM_WORLD,
                &raw mut pending.request,
            )
        };
        check("send", code)?;
        self.outgoing.push(pending);
        self.look_after_outgoing();
        Ok(())
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<(usize, Vec<u8>)>, TransportError> {
        let began = Instant::now();
        let mut pause = PAUSES[0];
        loop {
            self.look_after_outgoing();
            while self.accept()? {}
            if let Some(message) = self.complete() {
                return Ok(Some(message));
            }
            if began.elapsed() >= wait {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (2 * pause).min(PAUSES[1]);
        }
    }
}

impl Drop for MpiTransport {
    fn drop(&mut self) {
        // memory of requests that never end stays theirs; finalizing would wait for the dead
        self.outgoing.drain(..).chain(self.incoming.drain(..)).for_each(std::mem::forget);
        if let Some(universe) = self.universe.take() {
            std::mem::forget(universe);
        }
    }
}

impl fmt::Debug for MpiTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, size, .. } = self;
        f.debug_struct("MpiTransport").field("rank", rank).field("size", size).finish()
    }
}

fn check(what: &'static str, code: i32) -> Result<(), TransportError> {
    if code == ffi::MPI_SUCCESS as i32 {
        Ok(())
    } else {
        Err(TransportError::Refused { what, code })
    }
}
