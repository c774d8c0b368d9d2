package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/notify"
	"error-check-gate/internal/ordercheck"
)

const (
	// digestPage is the size of the largest page that Temporal lists, in runs. maxDigestPages
	// limits the pages: no company holds 100,000 orders.
	digestPage     = 1000
	maxDigestPages = 100
)

// OrderList is the part of Temporal's client that lists orders.
type OrderList interface {
	ListWorkflow(ctx context.Context,
		request *workflowservice.ListWorkflowExecutionsRequest) (
		*workflowservice.ListWorkflowExecutionsResponse, error)
	CountWorkflow(ctx context.Context,
		request *workflowservice.CountWorkflowExecutionsRequest) (
		*workflowservice.CountWorkflowExecutionsResponse, error)
}

var _ OrderList = client.Client(nil)

// SendDigest mails a list of all held orders to everybody who gets all notices. It lists and
// sends in one activity, because the history must not hold addresses, nor unencrypted names of
// customers. After an interrupted attempt, the next one skips the targets that have the mail.
func (a *Activities) SendDigest(
	ctx context.Context, in ordercheck.SendDigestInput,
) (ordercheck.SentDigest, error) {
	var done ordercheck.SentDigest
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &done); err != nil {
			return done, fmt.Errorf("resume from the last attempt: %w", err)
		}
	}
	if a.Notifier == nil || a.Held == nil {
		return done, nil
	}
	digest, err := a.listHeld(ctx, in, &done)
	if err != nil || len(digest.Orders) == 0 {
		return done, err
	}
	var failed error
	for _, target := range a.Notifier.DigestTargets() {
		if slices.Contains(done.Sent, target.Name()) || slices.Contains(done.Refused, target.Name()) {
			continue
		}
		err := a.Notifier.SendDigest(ctx, target, digest)
		var refused *notify.Error
		switch {
		case err == nil:
			done.Sent = append(done.Sent, target.Name())
		case errors.As(err, &refused) && refused.Permanent:
			activity.GetLogger(ctx).Error("a digest was refused", "target", target.Name(), "error", err)
			done.Refused = append(done.Refused, target.Name())
		default:
			failed = err
			continue
		}
		activity.RecordHeartbeat(ctx, done)
	}
	switch {
	case failed != nil:
		return done, noticeError(failed)
	case len(done.Sent) == 0 && len(done.Refused) > 0:
		return done, temporal.NewNonRetryableApplicationError(
			"every receiver's mail server refused the digest", errorNoticeRefused, nil)
	}
	return done, nil
}

// listHeld lists the held orders and counts them in done.
func (a *Activities) listHeld(
	ctx context.Context, in ordercheck.SendDigestInput, done *ordercheck.SentDigest,
) (*notify.Digest, error) {
	listedAt := time.Now().UTC()
	orders, err := a.heldOrders(ctx, func() { activity.RecordHeartbeat(ctx, *done) })
	if err != nil {
		return nil, err
	}
	pending, err := a.Held.CountWorkflow(ctx,
		&workflowservice.CountWorkflowExecutionsRequest{Query: openWith(ordercheck.StatusPending)})
	if err != nil {
		return nil, fmt.Errorf("count the orders in their grace period: %w", err)
	}
	newOrders := 0
	for i := range orders {
		if orders[i].New = orders[i].HeldSince.After(in.Since); orders[i].New {
			newOrders++
		}
	}
	if done.ListedAt.IsZero() { // a later attempt must not hide orders held since the first
		done.ListedAt = listedAt
	}
	done.Held, done.New, done.Pending = len(orders), newOrders, int(pending.GetCount())
	slices.SortStableFunc(orders, func(a, b notify.DigestOrder) int {
		return cmp.Or(a.HeldSince.Compare(b.HeldSince), cmp.Compare(a.Number, b.Number))
	})
	return &notify.Digest{
		Key: in.Key, At: in.At, Orders: orders[:min(len(orders), ordercheck.MaxDigestOrders)],
		Held: done.Held, New: done.New, Pending: done.Pending,
	}, nil
}

func openWith(status ordercheck.Status) string {
	return fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND %s = '%s'",
		ordercheck.WorkflowType, ordercheck.SearchGateStatus, status)
}

func (a *Activities) heldOrders(
	ctx context.Context, heartbeat func(),
) ([]notify.DigestOrder, error) {
	var orders []notify.DigestOrder
	var token []byte
	for range maxDigestPages {
		page, err := a.Held.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: digestPage, NextPageToken: token, Query: openWith(ordercheck.StatusFailed),
		})
		if err != nil {
			return nil, fmt.Errorf("list the held orders: %w", err)
		}
		for _, run := range page.GetExecutions() {
			if order, ok := a.heldOrder(run); ok {
				orders = append(orders, order)
			}
		}
		heartbeat()
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	return orders, nil
}

// heldOrder reads a listed run. A field that cannot be read stays empty, and the order is still
// listed.
func (a *Activities) heldOrder(run *workflowpb.WorkflowExecutionInfo) (notify.DigestOrder, bool) {
	id, ok := ordercheck.SalesOrderID(run.GetExecution().GetWorkflowId())
	if !ok {
		return notify.DigestOrder{}, false
	}
	order := notify.DigestOrder{SalesOrderID: id, RunID: run.GetExecution().GetRunId()}
	read := func(payload *commonpb.Payload, dc converter.DataConverter, value any) {
		if payload != nil && dc != nil {
			_ = dc.FromPayload(payload, value) // stays empty
		}
	}
	attributes := run.GetSearchAttributes().GetIndexedFields()
	plain := converter.GetDefaultDataConverter()
	read(attributes[ordercheck.SearchOrderNumber], plain, &order.Number)
	read(attributes[ordercheck.SearchErrorCount], plain, &order.Errors)
	read(attributes[ordercheck.SearchHeldSince], plain, &order.HeldSince)
	if order.HeldSince.IsZero() {
		order.HeldSince = run.GetStartTime().AsTime()
	}
	var memo ordercheck.DeskMemo
	read(run.GetMemo().GetFields()[ordercheck.MemoDesk], a.Converter, &memo)
	order.Customer, order.SalesRep, order.First = memo.Customer, memo.SalesRep, memo.First
	return order, true
}
