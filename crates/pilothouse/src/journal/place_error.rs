//! Why it cannot be told where the state of a stack is.

use pilothouse_kube::ClusterError;

/// The state of a stack is not where this run would keep it.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The stack file names one namespace, and the state is in another.
    #[error("the stack file says that the state is in namespace `{wanted}`, but it is in `{found}`")]
    Elsewhere {
        /// Where it is.
        found: String,
        /// Where the file says.
        wanted: String,
    },
    /// There are two records of runs.
    #[error("there are two records of the runs of this stack, in namespace `{former}` and in `{usual}`")]
    Two {
        /// Where it was kept formerly.
        former: String,
        /// Where it is kept now.
        usual: String,
    },
    /// The state was moved, and the stack file does not say where to.
    #[error("the state of the stack was moved from namespace `{from}` to `{to}`")]
    Moved {
        /// Where it was.
        from: String,
        /// Where it is.
        to: String,
    },
    /// A move was begun and not brought to its end.
    #[error("the state of the stack is on its way from namespace `{from}` to `{to}`, and has not arrived")]
    Unfinished {
        /// Where it was.
        from: String,
        /// Where it is to be.
        to: String,
    },
    /// It may not be read whether there is state.
    #[error("whether the state of the stack is in namespace `{namespace}` cannot be told")]
    Unreadable {
        /// Where it would be.
        namespace: String,
        /// What the cluster says.
        #[source]
        source: ClusterError,
    },
    /// It moved again and again while this run tried to find it.
    #[error("the state of the stack has moved several times just now")]
    Restless,
}

/// Why the place of the state is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
