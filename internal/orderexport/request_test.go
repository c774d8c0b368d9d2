package orderexport_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/orderexport"
)

// answers is a fake InFlow with the given failures. Its times are those of [synctest].
type answers struct {
	failures []*inflow.Error // answers to the first requests
	always   *inflow.Error   // the answer to every request, if not nil
	at       []time.Time     // when each request came
	sizes    []int
}

func (a *answers) SalesOrderPage(
	_ context.Context, query inflow.PageQuery,
) (inflow.SalesOrderPage, error) {
	a.at, a.sizes = append(a.at, time.Now()), append(a.sizes, query.Size)
	switch n := len(a.at); {
	case a.always != nil:
		return inflow.SalesOrderPage{}, a.always
	case n <= len(a.failures):
		return inflow.SalesOrderPage{}, a.failures[n-1]
	}
	return inflow.SalesOrderPage{}, nil
}

func run(t *testing.T, orders *answers, perMinute int) error {
	t.Helper()
	_, err := orderexport.Run(t.Context(), orderexport.Options{
		Orders: orders, CompanyID: "c", Path: filepath.Join(t.TempDir(), "orders.jsonl"),
		Window: days(30), RequestsPerMinute: perMinute,
	})
	return err
}

func TestExportGivesUpAfterMinutes(t *testing.T) {
	for name, test := range map[string]struct {
		failure           inflow.Error
		shortest, longest time.Duration
		want              string
	}{
		"unavailable": {
			inflow.Error{Kind: inflow.KindUnavailable, Op: "list"}, 3 * time.Minute, 10 * time.Minute,
			"run the command again later",
		},
		"rate limited": {
			inflow.Error{Kind: inflow.KindRateLimited, Op: "list"}, 2 * time.Minute, 10 * time.Minute,
			"run the command again later",
		},
		"rate limited for an hour": {
			inflow.Error{Kind: inflow.KindRateLimited, Op: "list", RetryAfter: time.Hour}, 0,
			time.Second, "InFlow asks to wait 1h0m0s",
		},
		"unauthorized": {
			inflow.Error{Kind: inflow.KindUnauthorized, Op: "list"}, 0, time.Second, "unauthorized",
		},
		"bad response": {
			inflow.Error{Kind: inflow.KindBadResponse, Op: "list"}, 0, time.Second, "bad response",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := run(t, &answers{always: &test.failure}, 0)
				require.ErrorContains(t, err, test.want)
				assert.GreaterOrEqual(t, time.Since(began), test.shortest)
				assert.LessOrEqual(t, time.Since(began), test.longest)
			})
		})
	}
}

func TestWaitsAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders := &answers{failures: []*inflow.Error{
			{Kind: inflow.KindUnavailable}, {Kind: inflow.KindUnavailable},
			{Kind: inflow.KindRateLimited}, {Kind: inflow.KindRateLimited, RetryAfter: 42 * time.Second},
			{Kind: inflow.KindTooLarge},
		}}
		require.NoError(t, run(t, orders, 0))
		var waits []time.Duration
		for i := range orders.at[1:] {
			waits = append(waits, orders.at[i+1].Sub(orders.at[i]))
		}
		assert.Equal(t, []time.Duration{
			time.Second, 2 * time.Second, 20 * time.Second, 42 * time.Second, 0,
		}, waits)
		assert.Equal(t, []int{100, 100, 50, 50, 50, 25}, orders.sizes)
	})
}

func TestRequestsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders := &answers{failures: []*inflow.Error{
			{Kind: inflow.KindTooLarge}, {Kind: inflow.KindTooLarge}, {Kind: inflow.KindTooLarge},
		}}
		began := time.Now()
		require.NoError(t, run(t, orders, 20))
		assert.Len(t, orders.at, 4)
		assert.Equal(t, 9*time.Second, time.Since(began))
	})
}

func TestInterruptDuringAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Second, func() { cancel(interrupted) })
		began := time.Now()
		_, err := orderexport.Run(ctx, orderexport.Options{
			Orders: &answers{always: &inflow.Error{Kind: inflow.KindRateLimited,
				RetryAfter: time.Minute}},
			CompanyID: "c", Path: filepath.Join(t.TempDir(), "orders.jsonl"), Window: days(30),
		})
		require.ErrorIs(t, err, interrupted)
		assert.Equal(t, 30*time.Second, time.Since(began))
	})
}

// childVariable names the folder in which TestFullDisk's child process exports orders.
const childVariable = "ORDEREXPORT_TEST_CHILD"

// TestFullDisk exports in a process that may only write small files, and again in one that may
// write large ones.
func TestFullDisk(t *testing.T) {
	if path := os.Getenv(childVariable); path != "" {
		w := newWorld(t, 350)
		w.path = path
		_, err := orderexport.Run(t.Context(), w.options())
		require.ErrorContains(t, err, "write "+path+".part: ")
		require.ErrorContains(t, err, "file too large")
		return
	}
	w := newWorld(t, 350)
	child := exec.CommandContext(t.Context(), "sh", "-c", //nolint:gosec // this test's own program
		`ulimit -f 1000; exec "$0" -test.run '^TestFullDisk$'`, os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+w.path)
	output, err := child.CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.NoFileExists(t, w.path)
	assert.FileExists(t, w.path+".part")
	result := w.export()
	assert.True(t, result.Resumed)
	assert.Less(t, result.Requests, 5)
}

func TestInflowUnavailable(t *testing.T) {
	w := newWorld(t, 150)
	w.interruptAfter(1)
	w.alter(func(*http.Request) { panic(http.ErrAbortHandler) })
	ctx, cancel := context.WithCancel(t.Context())
	options := w.options()
	options.Progress = func(p orderexport.Progress) {
		assert.Positive(t, p.Wait)
		cancel()
	}
	_, err := orderexport.Run(ctx, options)
	require.ErrorIs(t, err, context.Canceled)
	w.alter(nil)
	assert.True(t, w.export().Resumed)
}
