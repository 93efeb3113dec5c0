//! A throwaway real Kubernetes control plane as plain processes.
