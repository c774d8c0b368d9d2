package chaos_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/dev/fakeinflow"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/temporalconn"
)

var (
	seedFlag       = flag.Uint64("chaos.seed", 0, "seed of the plan; 0 draws one")
	deliveriesFlag = flag.Int("chaos.deliveries", 400, "edits by people, each with a delivery")
	ordersFlag     = flag.Int("chaos.orders", 70, "orders")
	killsFlag      = flag.Int("chaos.kills", 4, "processes to kill with kill -9")
	duringFlag     = flag.Duration("chaos.during", 15*time.Second, "time for edits and faults")
	reportFlag     = flag.String("chaos.report", "", "page to write the result to, between markers")
)

// retryDelays returns delays like InFlow's: none, then an exponential backoff. They last longer
// than a run, because only the sweep would find a delivery that was given up.
func retryDelays() []time.Duration {
	delays := []time.Duration{0}
	for d := 250 * time.Millisecond; d < 8*time.Second; d *= 2 {
		delays = append(delays, d)
	}
	for range 20 {
		delays = append(delays, 8*time.Second)
	}
	return delays
}

// TestChaos runs the whole gate while things go wrong. A failure names the seed, which repeats the
// plan.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // any number will do
	}
	s := size{deliveries: *deliveriesFlag, orders: *ordersFlag, kills: *killsFlag, during: *duringFlag}
	require.Greater(t, s.orders, 1)
	require.GreaterOrEqual(t, s.deliveries, s.orders)
	t.Logf("chaos: seed %d, %d edits of %d orders, %d kills within %v",
		seed, s.deliveries, s.orders, s.kills, s.during)
	defer func() {
		if t.Failed() {
			t.Logf("chaos: to repeat this plan, use -chaos.seed=%d", seed)
		}
	}()

	r := setUp(t)
	r.plan, r.ids = newPlan(seed, s), make([]string, s.orders)
	r.run(t, r.plan)
	v := r.judge(t, seed, s)
	t.Logf("chaos: the result\n%s", v.table())
	if *reportFlag != "" && !t.Failed() {
		require.NoError(t, v.write(*reportFlag))
	}
}

// chaos is one run.
type chaos struct {
	*gate
	fake    *fakeinflow.Server
	network *network
	notices *receiver
	disk    *disk

	template       map[string]any
	plan           plan
	began          time.Time
	injected       map[faultKind]int
	temporalClient client.Client
	scraper        *scraper
	cancelled      atomic.Int64 // runs cancelled by hand
	// faultsCleared is the time from which InFlow answered with lines again.
	faultsCleared time.Time
	// written has the orders, by their id, as people wrote them. Only edit changes it.
	written map[string]*writtenOrder

	mu sync.Mutex
	// ids are the ids of the orders, by their number in the plan; empty until created.
	ids []string
	// linesLeftOut has, by the order's id, the time from which InFlow left out the lines.
	linesLeftOut map[string]time.Time

	// ingressAtRest and workerAtRest were measured before the first delivery.
	ingressAtRest, workerAtRest resources
}

func setUp(t *testing.T) *chaos {
	t.Helper()
	dir, err := os.MkdirTemp(inMemory(), "chaos")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("chaos: the processes' logs are in %s", dir)
			return
		}
		assert.NoError(t, os.RemoveAll(dir))
	})
	r := &chaos{
		notices: &receiver{}, injected: map[faultKind]int{}, linesLeftOut: map[string]time.Time{},
		written: map[string]*writtenOrder{},
	}
	r.fake, err = fakeinflow.New(fakeinflow.Options{
		PayloadForm: fakeinflow.PayloadAlternate,
		RetryDelays: retryDelays(), DeliveryTimeout: 10 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(r.fake.Close)
	fakeAddr := serve(t, r.fake.Handler())
	r.network = newNetwork(listen(t), fakeAddr)
	t.Cleanup(r.network.close)
	r.disk = newDisk(t, dir)

	samples, err := fakeinflow.Samples()
	require.NoError(t, err)
	r.template = samples[0].Recent(time.Now()).Order

	client, err := inflow.NewClient(inflow.Options{
		BaseURL: "http://" + fakeAddr, CompanyID: r.fake.CompanyID(), APIKey: r.fake.APIKey(),
	})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	// The subscription needs the ingress's address, and the ingress needs the subscription's
	// secret.
	ingressPort := freePort(t)
	subscription, err := client.Subscribe(t.Context(), inflow.SubscriptionRequest{
		ID: uuid.NewString(), RequestID: uuid.NewString(),
		URL:    "http://" + loopback(ingressPort) + "/webhook/inflow",
		Events: []string{inflow.EventSalesOrderCreated, inflow.EventSalesOrderUpdated},
	})
	require.NoError(t, err)
	r.gate = newGate(t, dir, environment{
		"INFLOW_API_URL":    "http://" + r.network.listener.Addr().String(),
		"INFLOW_COMPANY_ID": r.fake.CompanyID(), "INFLOW_API_KEY": r.fake.APIKey(),
		"INFLOW_HOLD_FIELD": holdField,
	}, string(subscription.Secret), "http://"+serve(t, r.notices)+"/notices",
		filepath.Join(r.disk.dir, "audit.log"))
	r.ingressAddr = loopback(ingressPort)
	return r
}

// inMemory returns a folder in memory, or "" if there is none. Its files survive kill -9. On disk,
// the development server would wait for the disk at every step of every workflow.
func inMemory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err != nil || !info.IsDir() {
		return ""
	}
	return shm
}

// run executes the plan, and waits until every part is up again.
func (r *chaos) run(t *testing.T, p plan) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	parts, partsCtx := errgroup.WithContext(ctx)
	for _, part := range []*part{r.temporal, r.worker, r.ingress} {
		parts.Go(func() error { return part.run(partsCtx) })
	}
	t.Cleanup(func() {
		stop()
		assert.NoError(t, parts.Wait())
	})
	r.ready(partsCtx, t)
	var err error
	r.ingressAtRest, err = measure(t.Context(), r.ingressAdmin, r.ingress.pid())
	require.NoError(t, err)
	r.workerAtRest, err = measure(t.Context(), r.workerAdmin, r.worker.pid())
	require.NoError(t, err)

	r.temporalClient, err = temporalconn.Lazy(temporalconn.Options{
		Address: r.temporalAddr, Namespace: client.DefaultNamespace,
	})
	require.NoError(t, err)
	t.Cleanup(r.temporalClient.Close)
	var stopScrapes func()
	r.scraper, stopScrapes = r.scrape(ctx)
	t.Cleanup(stopScrapes)

	r.began = time.Now()
	work, workCtx := errgroup.WithContext(partsCtx)
	work.Go(func() error { return r.edit(workCtx, p.edits) })
	for _, f := range p.faults {
		work.Go(func() error {
			if !pause(workCtx, time.Until(r.began.Add(f.at))) {
				return nil
			}
			return r.inject(workCtx, f)
		})
		r.injected[f.faultKind]++
	}
	require.NoError(t, work.Wait())
	r.fake.ClearFaults()
	r.faultsCleared = time.Now()
	// On a slow machine, most marks are written only now. Let them meet each fault too.
	for _, what := range writeFaults {
		require.NoError(t, r.inject(ctx, fault{faultKind: what, times: 1, lasts: time.Second}))
	}
	r.ready(partsCtx, t)
	r.logRestarts(t)
}

// created returns the ids of the orders that exist.
func (r *chaos) created(orders []int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, order := range orders {
		if id := r.ids[order]; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// cancel cancels the order's run, if one is open.
func (r *chaos) cancel(ctx context.Context, id string) error {
	for {
		err := r.temporalClient.CancelWorkflow(ctx, ordercheck.WorkflowID(id), "")
		var notFound *serviceerror.NotFound
		switch {
		case err == nil:
			r.cancelled.Add(1)
			return nil
		case errors.As(err, &notFound):
			return nil
		case !pause(ctx, 100*time.Millisecond): // Temporal is unavailable
			return nil
		}
	}
}

// leaveOutLines makes InFlow answer without the order's lines until its faults are cleared.
func (r *chaos) leaveOutLines(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.linesLeftOut[id].IsZero() {
		r.linesLeftOut[id] = time.Now()
	}
	return r.fake.SetFault(fakeinflow.Fault{
		Route: fakeinflow.RouteGetSalesOrder, SalesOrderID: id, LeftOut: []string{"lines"},
	})
}

// inject makes one thing go wrong. It returns when that is over, or when InFlow has a fault for the
// next requests.
func (r *chaos) inject(ctx context.Context, f fault) error {
	during := func(begin, end func()) error {
		begin()
		pause(ctx, f.lasts)
		end()
		return nil
	}
	read := fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder, Times: f.times}
	write := fakeinflow.Fault{Route: fakeinflow.RoutePutSalesOrder, Times: f.times}
	switch f.faultKind {
	case killIngress:
		r.ingress.kill(ctx, f.lasts)
	case killWorker:
		r.worker.kill(ctx, f.lasts)
	case killTemporal:
		r.temporal.kill(ctx, f.lasts)
	case stall:
		return during(r.network.stall, r.network.flow)
	case tooMany:
		read.Status, read.RetryAfter = http.StatusTooManyRequests, time.Second
		return r.fake.SetFault(read)
	case broken:
		read.Status = http.StatusInternalServerError
		return r.fake.SetFault(read)
	case staleWrites:
		write.Status = http.StatusConflict
		return r.fake.SetFault(write)
	case lostWrites:
		write.AnswerLost = true
		return r.fake.SetFault(write)
	case lateWrites:
		write.SlowBody = f.lasts
		return r.fake.SetFault(write)
	case brokenWrites:
		write.Status = http.StatusInternalServerError
		return r.fake.SetFault(write)
	case tooManyWrites:
		write.Status, write.RetryAfter = http.StatusTooManyRequests, time.Second
		return r.fake.SetFault(write)
	case receiverDown:
		return during(func() { r.notices.addOutages(1) }, func() { r.notices.addOutages(-1) })
	case cancelRuns:
		var cancels errgroup.Group
		for _, id := range r.created(f.orders) {
			cancels.Go(func() error { return r.cancel(ctx, id) })
		}
		return cancels.Wait()
	case withoutLines:
		for _, id := range r.created(f.orders) {
			if err := r.leaveOutLines(id); err != nil {
				return err
			}
		}
	case fillDisk:
		if err := r.disk.fill(); err != nil {
			return err
		}
		pause(ctx, f.lasts)
		return r.disk.free()
	}
	return nil
}

// logRestarts logs the parts that ended by themselves. A worker does so while Temporal is down.
func (r *chaos) logRestarts(t *testing.T) {
	t.Helper()
	for _, p := range []*part{r.ingress, r.worker, r.temporal} {
		p.mu.Lock()
		if len(p.ended) > 0 {
			t.Logf("chaos: %s ended by itself %d times and was started again, the first time: %s",
				p.name, len(p.ended), p.ended[0])
		}
		p.mu.Unlock()
	}
}
