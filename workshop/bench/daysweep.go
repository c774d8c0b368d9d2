package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows/sweep"
	"error-check-gate/workflows/workflowtest"
)

const (
	// ordersOnPage is the number of orders in one answer of InFlow.
	ordersOnPage = 100
	// actionsOfSchedule counts the start of a schedule and of its workflow.
	actionsOfSchedule = 3
)

// playSweeps simulates the sweeps of a day and night. The schedule skips a sweep while another one
// waits for InFlow.
func playSweeps(all [][]save, choices dayChoices, sizes eventSizes) (total cost, err error) {
	mark, ended := midnight, midnight
	for at := midnight; at.Before(midnight.Add(24 * time.Hour)); at = at.Add(choices.sweepEvery) {
		if at.Before(ended) {
			continue
		}
		var spent cost
		if ended, err = spent.sweep(at, changedBetween(all, mark, at), sizes); err != nil {
			return total, fmt.Errorf("the sweep at %s: %w", at.Format(time.TimeOnly), err)
		}
		mark = at
		total.add(&spent)
	}
	return total, nil
}

// changedBetween counts the orders that were saved after one time and up to another.
func changedBetween(all [][]save, after, upTo time.Time) (n int) {
	for _, saves := range all {
		for _, s := range saves {
			if s.at.After(after) && !s.at.After(upTo) {
				n++
				break
			}
		}
	}
	return n
}

// sweep simulates one sweep, which reads the list newest first down to its mark. It returns the
// time when the sweep ended.
func (c *cost) sweep(at time.Time, changed int, sizes eventSizes) (ended time.Time, err error) {
	env := workflowtest.NewEnvironment()
	env.SetStartTime(at)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{TaskQueue: ordercheck.TaskQueue})
	env.RegisterWorkflowWithOptions(sweep.Orders,
		workflow.RegisterOptions{Name: ordercheck.SweepWorkflowType})
	env.SetLastCompletionResult(ordercheck.Sweep{
		Marks: ordercheck.SweepMarks{Mark: "0000000000000001", From: at.AddDate(-1, 0, 0)},
	})
	pages := 0
	attempt := func() {
		c.attempts++
		c.bytes += sizes[activityEvents+ordercheck.ActivityRecordOutcomes] + sizes[workflowTask]
	}
	env.RegisterActivityWithOptions(
		func(context.Context, ordercheck.ListOrdersInput) (ordercheck.ListedOrders, error) {
			if inOutage(env.Now()) {
				return ordercheck.ListedOrders{}, c.outage(env.Now())
			}
			attempt()
			c.lists++
			pages++
			return page(pages, changed), nil
		}, activity.RegisterOptions{Name: ordercheck.ActivityListOrders})
	env.RegisterActivityWithOptions(
		func(context.Context, ordercheck.CheckMissedInput) (ordercheck.CheckedMissed, error) {
			attempt()
			return ordercheck.CheckedMissed{Missed: []ordercheck.ListedOrder{}}, nil
		}, activity.RegisterOptions{Name: ordercheck.ActivityCheckMissed})
	env.ExecuteWorkflow(ordercheck.SweepWorkflowType, ordercheck.SweepStart{})
	c.schedules += actionsOfSchedule
	c.sideEffects++
	c.bytes += sizes.of(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED) +
		sizes.of(enumspb.EVENT_TYPE_MARKER_RECORDED) +
		sizes.of(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED) + sizes[workflowTask]
	return env.Now(), env.GetWorkflowError()
}

// page returns the nth page of the list, counted from 1. changed orders are newer than the mark.
func page(n, changed int) (page ordercheck.ListedOrders) {
	for i := (n - 1) * ordersOnPage; i < min(n*ordersOnPage, changed); i++ {
		page.Orders = append(page.Orders, ordercheck.ListedOrder{
			SalesOrderID: fmt.Sprint("order-", i), OrderVersion: fmt.Sprintf("%016X", 1_000_000-i),
		})
	}
	page.Listed, page.Entries = ordersOnPage, ordersOnPage
	if len(page.Orders) > 0 {
		page.First, page.Highest = page.Orders[0].SalesOrderID, page.Orders[0].OrderVersion
		page.Tail = page.Orders[len(page.Orders)-1:]
	}
	page.Reached = len(page.Orders) < ordersOnPage
	return page
}

// chatThatTakesAll starts a server to which the gate can post notices. It returns the address for
// NOTIFY_URLS.
func chatThatTakesAll(ctx context.Context) (url string, stop func() error, err error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: readyWithin,
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return "generic+http://" + listener.Addr().String() + "/notices", func() error {
		err := server.Close()
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
		return err
	}, nil
}
