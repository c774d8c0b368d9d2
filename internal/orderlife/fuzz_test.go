package orderlife_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLife makes any sequence of events, times, failures and continue-as-news happen to an order,
// and compares its state with a model after each of them.
func FuzzLife(f *testing.F) {
	for seed := range byte(4) {
		data := make([]byte, 400)
		random := rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // a plan, no secret
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		m := newModel(func(n int) int {
			if at == len(data) {
				return 0
			}
			at++
			return int(data[at-1]) % n
		})
		play(t, m, func() bool { return at < len(data) })
	})
}

// TestRandomLives plays LIFE_STEPS steps (10,000 by default) of random lives. They are the same
// in each run of the test.
func TestRandomLives(t *testing.T) {
	steps := 10_000
	if text := os.Getenv("LIFE_STEPS"); text != "" {
		var err error
		steps, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	const life = 300 // steps
	for seed := range uint64(steps / life) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a plan, no secret
		n := 0
		play(t, newModel(random.IntN), func() bool { n++; return n <= life })
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, n)
		}
	}
}

// play makes steps until more returns false or the model finds a fault.
func play(t *testing.T, m *model, more func() bool) {
	t.Helper()
	defer func() {
		if fault := recover(); fault != nil {
			t.Errorf("%v", fault)
		}
	}()
	m.drive()
	for more() {
		m.step()
	}
}
