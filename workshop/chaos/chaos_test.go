package chaos_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	deliveriesFlag = flag.Int("chaos.deliveries", 400, "deliveries that InFlow sends")
	ordersFlag     = flag.Int("chaos.orders", 70, "orders they are about")
	killsFlag      = flag.Int("chaos.kills", 4, "processes that are killed with kill -9")
	duringFlag     = flag.Duration("chaos.during", 15*time.Second, "time in which edits are made and things go wrong")
	reportFlag     = flag.String("chaos.report", "", "page whose table between the chaos markers is written anew")
)

// retryDelays are a sender's that retries as InFlow does, at once and then with exponential
// backoff, and does not give up within the run: what it gave up would be the sweep's to find.
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

// TestChaos is the whole gate under fire. What fails names the seed, which makes the same plan again.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // any number will do
	}
	s := size{deliveries: *deliveriesFlag, orders: *ordersFlag, kills: *killsFlag, during: *duringFlag}
	require.Greater(t, s.orders, 1)
	require.GreaterOrEqual(t, s.deliveries, s.orders)
	t.Logf("chaos: seed %d, %d deliveries over %d orders, %d kills within %v", seed, s.deliveries, s.orders, s.kills, s.during)
	defer func() {
		if t.Failed() {
			t.Logf("chaos: run it again with -chaos.seed=%d", seed)
		}
	}()

	r := setUp(t)
	r.plan, r.ids = newPlan(seed, s), make([]string, s.orders)
	r.run(t, r.plan)
	v := r.judge(t, seed, s)
	t.Logf("chaos: what came of it\n%s", v.table())
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
	struck         map[blow]int
	temporalClient client.Client
	scraper        *scraper
	cancelled      atomic.Int64 // runs
	// faultsCleared is when InFlow answered everybody with lines again.
	faultsCleared time.Time

	mu sync.Mutex
	// ids are of the orders, by their number in the plan; empty until created.
	ids []string
	// linesLeftOut has since when an order, by its id, is answered without lines.
	linesLeftOut map[string]time.Time

	// ingressAtRest and workerAtRest are from before the first delivery.
	ingressAtRest, workerAtRest atRest
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
	r := &chaos{notices: &receiver{}, struck: map[blow]int{}, linesLeftOut: map[string]time.Time{}}
	r.fake, err = fakeinflow.New(fakeinflow.Options{
		PayloadForm: fakeinflow.PayloadAlternate, RetryDelays: retryDelays(), DeliveryTimeout: 10 * time.Second,
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

	client, err := inflow.NewClient(inflow.Options{BaseURL: "http://" + fakeAddr, CompanyID: r.fake.CompanyID(), APIKey: r.fake.APIKey()})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	// The secret has to be known before the ingress starts, and its address before it is subscribed.
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
	}, string(subscription.Secret), "http://"+serve(t, r.notices)+"/notices", filepath.Join(r.disk.dir, "audit.log"))
	r.ingressAddr = loopback(ingressPort)
	return r
}

// inMemory is a folder that outlives kill -9 and costs no disk: the development server waits
// for the disk with every step of every workflow. Empty is the usual folder.
func inMemory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err != nil || !info.IsDir() {
		return ""
	}
	return shm
}

// run does what the plan says, then waits until the gate has caught up and stops it.
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
	r.ingressAtRest, err = open(t.Context(), r.ingressAdmin, r.ingress.pid())
	require.NoError(t, err)
	r.workerAtRest, err = open(t.Context(), r.workerAdmin, r.worker.pid())
	require.NoError(t, err)

	r.temporalClient, err = temporalconn.Lazy(temporalconn.Options{Address: r.temporalAddr, Namespace: client.DefaultNamespace})
	require.NoError(t, err)
	t.Cleanup(r.temporalClient.Close)
	var stopScrapes func()
	r.scraper, stopScrapes = r.scrape(ctx)
	t.Cleanup(stopScrapes)

	r.began = time.Now()
	work, workCtx := errgroup.WithContext(partsCtx)
	work.Go(func() error { return r.edit(workCtx, p.edits) })
	for _, s := range p.strikes {
		work.Go(func() error {
			if !pause(workCtx, time.Until(r.began.Add(s.at))) {
				return nil
			}
			return r.strike(workCtx, s)
		})
		r.struck[s.blow]++
	}
	require.NoError(t, work.Wait())
	r.fake.ClearFaults()
	r.faultsCleared = time.Now()
	r.ready(partsCtx, t)
	r.sayMore(t)
}

// edit makes each edit at its time.
func (r *chaos) edit(ctx context.Context, edits []edit) error {
	balance := r.template["balance"]
	for i, e := range edits {
		if !pause(ctx, time.Until(r.began.Add(e.at))) {
			return nil
		}
		if e.change == create {
			order, err := r.newOrder(e.order)
			if err != nil {
				return err
			}
			id, err := r.fake.AddOrder(order)
			if err != nil {
				return err
			}
			r.mu.Lock()
			r.ids[e.order] = id
			r.mu.Unlock()
			continue
		}
		var wrong error
		err := r.fake.EditOrder(r.ids[e.order], func(order map[string]any) {
			order["orderRemarks"] = fmt.Sprintf("edit %d", i)
			switch {
			case e.change == spoil && huge(e.order):
				wrong = shiftLines(order, 1)
			case e.change == mend && huge(e.order):
				wrong = shiftLines(order, -1)
			case e.change == spoil:
				order["balance"] = "0.01"
			case e.change == mend:
				order["balance"] = balance
			}
		})
		if err := errors.Join(err, wrong); err != nil {
			return err
		}
	}
	return nil
}

// newOrder is a sample of a customer of its own, so that no look-up joins two orders.
func (r *chaos) newOrder(number int) (map[string]any, error) {
	order := make(map[string]any, len(r.template))
	for field, value := range r.template {
		order[field] = value
	}
	customer := map[string]any{}
	if of, ok := r.template["customer"].(map[string]any); ok {
		for field, value := range of {
			customer[field] = value
		}
	}
	customer["customerId"] = uuid.NewString()
	order["customer"], order["customerId"] = customer, customer["customerId"]
	order["salesOrderId"], order["orderNumber"] = uuid.NewString(), fmt.Sprintf("SO-%06d", number+1)
	if huge(number) {
		return order, enlarge(order)
	}
	return order, nil
}

// created returns the ids of orders, without those that are yet to be created.
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
		case !pause(ctx, 100*time.Millisecond): // Temporal is away
			return nil
		}
	}
}

// leaveOutLines has InFlow answer without the order's lines until its faults are cleared.
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

func (r *chaos) strike(ctx context.Context, s strike) error {
	for_ := func(begin, end func()) {
		begin()
		pause(ctx, s.lasts)
		end()
	}
	switch s.blow {
	case killIngress:
		r.ingress.kill(ctx, s.lasts)
	case killWorker:
		r.worker.kill(ctx, s.lasts)
	case killTemporal:
		r.temporal.kill(ctx, s.lasts)
	case stall:
		for_(r.network.stall, r.network.flow)
	case tooMany:
		return r.fake.SetFault(fakeinflow.Fault{
			Route: fakeinflow.RouteGetSalesOrder, Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: s.times,
		})
	case broken:
		return r.fake.SetFault(fakeinflow.Fault{Route: fakeinflow.RouteGetSalesOrder, Status: http.StatusInternalServerError, Times: s.times})
	case deaf:
		for_(func() { r.notices.goDeaf(1) }, func() { r.notices.goDeaf(-1) })
	case cancelRuns:
		var cancels errgroup.Group
		for _, id := range r.created(s.orders) {
			cancels.Go(func() error { return r.cancel(ctx, id) })
		}
		return cancels.Wait()
	case withoutLines:
		for _, id := range r.created(s.orders) {
			if err := r.leaveOutLines(id); err != nil {
				return err
			}
		}
	case fillDisk:
		if err := r.disk.fill(); err != nil {
			return err
		}
		pause(ctx, s.lasts)
		return r.disk.free()
	}
	return nil
}

// sayMore logs what is of no consequence if the verdict is good, and of much if it is not.
func (r *chaos) sayMore(t *testing.T) {
	t.Helper()
	for _, p := range []*part{r.ingress, r.worker, r.temporal} {
		p.mu.Lock()
		if len(p.ended) > 0 {
			t.Logf("chaos: %s ended by itself %d times and was started again, the first time: %s", p.name, len(p.ended), p.ended[0])
		}
		p.mu.Unlock()
	}
}
