package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"error-check-gate/internal/ordercheck"
)

const (
	// fetchedPage, in events, and maxFetchedPages limit the search for a fetch in the run's
	// history. The fetch is among the latest events, because the check follows it.
	fetchedPage     = 50
	maxFetchedPages = 20
	// maxFetchedOrders and maxFetchedSize limit [fetchedOrders], in orders and in bytes.
	maxFetchedOrders = 256
	maxFetchedSize   = 16 << 20
)

// fetchedOrders keeps the results of FetchOrder until CheckOrder takes them. The workflow doesn't
// pass the order on, so the history holds it only once. A worker that has fetched the order
// itself needs no request to read it from there. The zero value is ready for use.
type fetchedOrders struct {
	mu     sync.Mutex
	cached []cachedFetch // oldest first
	size   int           // of the cached digests, in bytes
}

// fetchID returns an id that each attempt has for itself: an attempt whose result Temporal never
// got may have read another version of the order.
func fetchID(info *activity.Info) string {
	return info.ActivityID + "/" + strconv.Itoa(int(info.Attempt))
}

type cachedFetch struct {
	runID, fetchID string
	fetched        ordercheck.FetchedOrder
}

func (k *cachedFetch) size() int { return len(k.fetched.Order) }

// put adds a result. If the cache is full, it evicts the oldest results.
func (f *fetchedOrders) put(runID string, fetched ordercheck.FetchedOrder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := cachedFetch{runID: runID, fetchID: fetched.FetchID, fetched: fetched}
	f.cached, f.size = append(f.cached, k), f.size+k.size()
	for len(f.cached) > maxFetchedOrders || f.size > maxFetchedSize {
		f.remove(0)
	}
}

// take removes a result and returns it. It returns false if the cache doesn't have it.
func (f *fetchedOrders) take(runID, fetchID string) (ordercheck.FetchedOrder, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.cached, func(k cachedFetch) bool {
		return k.runID == runID && k.fetchID == fetchID
	})
	if i < 0 {
		return ordercheck.FetchedOrder{}, false
	}
	fetched := f.cached[i].fetched
	f.remove(i)
	return fetched, true
}

func (f *fetchedOrders) remove(i int) {
	f.size -= f.cached[i].size()
	f.cached = slices.Delete(f.cached, i, i+1)
}

// fetchedOrder returns the result of an earlier FetchOrder of the calling run. If another worker
// fetched the order, it reads the result from the run's history.
func (a *Activities) fetchedOrder(
	ctx context.Context, fetchID string,
) (ordercheck.FetchedOrder, error) {
	info := activity.GetInfo(ctx)
	if fetched, ok := a.fetched.take(info.WorkflowExecution.RunID, fetchID); ok {
		return fetched, nil
	}
	activityID, _, _ := strings.Cut(fetchID, "/")
	var fetched ordercheck.FetchedOrder
	result, err := a.activityResult(ctx, &info, activityID)
	if err == nil {
		err = a.converter().FromPayloads(result, &fetched)
	}
	if err == nil && fetched.FetchID != fetchID {
		err = fmt.Errorf("it has the result of fetch %q, not of %q", fetched.FetchID, fetchID)
	}
	if err != nil {
		return ordercheck.FetchedOrder{}, fmt.Errorf("read the fetched order from the run's history: %w",
			err)
	}
	return fetched, nil
}

// activityResult reads the result of an activity from the history of the calling run. It fails if
// no such activity has completed.
func (a *Activities) activityResult(
	ctx context.Context, info *activity.Info, activityID string,
) (*commonpb.Payloads, error) {
	if a.PastRuns == nil {
		return nil, errors.New("this worker cannot read histories")
	}
	request := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: info.Namespace,
		Execution: &commonpb.WorkflowExecution{
			WorkflowId: info.WorkflowExecution.ID,
			RunId:      info.WorkflowExecution.RunID,
		},
		MaximumPageSize: fetchedPage,
	}
	completed := map[int64]*historypb.ActivityTaskCompletedEventAttributes{} // by scheduled event
	for range maxFetchedPages {
		page, err := a.PastRuns.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, event := range page.GetHistory().GetEvents() {
			if c := event.GetActivityTaskCompletedEventAttributes(); c != nil {
				completed[c.GetScheduledEventId()] = c
			}
			scheduled := event.GetActivityTaskScheduledEventAttributes()
			if c := completed[event.GetEventId()]; c != nil && scheduled.GetActivityId() == activityID {
				return c.GetResult(), nil
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	return nil, fmt.Errorf("no activity %s has completed", activityID)
}
