// Package lowport chooses ports for processes that are started later, or more than once.
package lowport

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"error-check-gate/internal/dev/childprocess"
)

var chosen sync.Map

// Choose returns a free port that it has not returned before. The port is below the system's
// ephemeral ports, so it stays free until its process starts, and during a restart. Temporal stores
// its ports in PostgreSQL as numbers below 32768.
func Choose() (port int, err error) {
	for range 100 {
		candidate := 20_000 + rand.IntN(12_000) //nolint:gosec // no secret
		if _, taken := chosen.LoadOrStore(candidate, true); taken {
			continue
		}
		if port, err = childprocess.ChoosePort(candidate); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port from 20000 on is free: %w", err)
}
