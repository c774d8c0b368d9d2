package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/workflows"
	"error-check-gate/workflows/workflowtest"
)

const office = "mail:8c87b4"

// gatherer runs the workflow that gathers the notices of one receiver.
type gatherer struct {
	*testsuite.TestWorkflowEnvironment
	t        *testing.T
	start    time.Time
	admitted []string // keys of the notices that may be sent at once, on their own
	sent     []gatheredMessage
	// send answers an attempt to send a gathered message; nil accepts it.
	send     func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error)
	observer *observed
}

type gatheredMessage struct {
	at    time.Duration // since the start
	key   string
	keys  []string
	queue string
}

func newGatherer(t *testing.T, receiver string) *gatherer {
	t.Helper()
	g := &gatherer{
		TestWorkflowEnvironment: workflowtest.NewEnvironment(), t: t, observer: &observed{},
	}
	g.start = g.Now()
	gathering := &workflows.NoticeGathering{Observer: g.observer}
	g.RegisterWorkflowWithOptions(gathering.GatherNotices,
		workflow.RegisterOptions{Name: ordercheck.GatherWorkflowType})
	g.RegisterActivityWithOptions(
		func(ctx context.Context, in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
			assert.Equal(t, receiver, in.Receiver)
			if g.send != nil {
				if answer, err := g.send(in); err != nil || answer.Moved {
					return answer, err
				}
			}
			message := gatheredMessage{
				at:    g.Now().Sub(g.start),
				key:   in.Message.Key,
				queue: activity.GetInfo(ctx).TaskQueue,
			}
			for _, n := range in.Message.Notices {
				message.keys = append(message.keys, n.Key)
			}
			g.sent = append(g.sent, message)
			return ordercheck.SentGathered{}, nil
		},
		activity.RegisterOptions{Name: ordercheck.ActivitySendGathered},
	)
	g.SetStartWorkflowOptions(
		client.StartWorkflowOptions{
			ID:        ordercheck.GatherWorkflowID(receiver),
			TaskQueue: ordercheck.TaskQueue,
		},
	)
	return g
}

// notice asks, at a time after the start, whether a notice may be sent.
func (g *gatherer) notice(at time.Duration, order, key string) {
	g.RegisterDelayedCallback(func() {
		g.UpdateWorkflow(ordercheck.UpdateAdmit, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { assert.NoError(g.t, err) },
			OnComplete: func(answer any, err error) {
				assert.NoError(g.t, err)
				if admitted, ok := answer.(ordercheck.Admitted); ok && !admitted.Gathered {
					g.admitted = append(g.admitted, key)
				}
			},
		}, ordercheck.Admission{Limit: 2, Window: time.Hour, Notice: ordercheck.GatheredNotice{
			Key: key, Kind: ordercheck.NoticeFailed, SalesOrderID: order, HasSalesRep: true,
		}})
	}, at)
}

// run executes the workflow until it completes or continues as new. If it continues as new, run
// returns the input of the next run.
func (g *gatherer) run(start workflows.GatherStart) (next workflows.GatherStart) {
	g.t.Helper()
	g.ExecuteWorkflow(ordercheck.GatherWorkflowType, start)
	require.True(g.t, g.IsWorkflowCompleted())
	err := g.GetWorkflowError()
	var again *workflow.ContinueAsNewError
	if errors.As(err, &again) {
		require.NoError(g.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
		require.NotNil(g.t, next.State)
		return next
	}
	require.NoError(g.t, err)
	return next
}

func TestBurstBecomesOneMessageAfterTheHour(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 5 {
		g.notice(time.Minute+time.Duration(i)*time.Second, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.notice(2*time.Hour, "next", "next")
	next := g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"0", "1", "next"}, g.admitted)
	assert.Equal(
		t,
		[]gatheredMessage{
			{61 * time.Minute, "gathered-2", []string{"2", "3", "4"}, ordercheck.TaskQueue},
		},
		g.sent,
	)
	assert.InDelta(t, 25, g.Now().Sub(g.start).Hours(), 0.1, "no run gets much older than a day")

	last := newGatherer(t, office)
	last.SetStartTime(g.Now())
	assert.Nil(t, last.run(next).State)
	assert.InDelta(t, 27, last.Now().Sub(g.start).Hours(), 0.1,
		"it ends 25 hours after the last notice")
}

func TestCancelledGathererStillSends(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(time.Minute, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.RegisterDelayedCallback(g.CancelWorkflow, 2*time.Minute)
	g.run(workflows.GatherStart{})
	assert.Len(t, g.sent, 1)
}

// errDown asks for a long delay, because the test environment makes 10 attempts at most.
var errDown = temporal.NewApplicationErrorWithOptions("down", "NoticeNotSent",
	temporal.ApplicationErrorOptions{NextRetryDelay: 20 * time.Minute})

func TestGathererAnswersWhileTheMailServerIsDown(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	attempts := 0
	g.send = func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		if attempts++; in.Message.Key == "gathered-2" && g.Now().Sub(g.start) < 3*time.Hour {
			return ordercheck.SentGathered{}, errDown
		}
		return ordercheck.SentGathered{}, nil
	}
	g.notice(90*time.Minute, "other", "other") // is admitted, and sent on its own
	g.notice(100*time.Minute, "2", "again")    // must not overtake the order's first notice
	g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"0", "1", "other"}, g.admitted)
	require.Len(t, g.sent, 2)
	assert.Equal(t, []string{"2"}, g.sent[0].keys)
	assert.GreaterOrEqual(t, g.sent[0].at, 3*time.Hour)
	assert.Equal(t, []string{"again"}, g.sent[1].keys)
	assert.Greater(t, attempts, 5)
	assert.Zero(t, g.observer.givenUp)
}

func TestRefusedMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 4 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.send = func(ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		return ordercheck.SentGathered{}, temporal.NewNonRetryableApplicationError("no such mailbox",
			"NoticeRefused", nil)
	}
	g.run(workflows.GatherStart{})
	assert.Empty(t, g.sent)
	assert.Equal(t, 2, g.observer.givenUp)
}

// The address is in no history, so each attempt looks it up. Orders that have another sales rep
// by now leave the message.
func TestSalesRepsAddressIsLookedUp(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, ordercheck.TargetSalesRep+":0123456789ab")
	for i := range 6 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.notice(time.Minute, "4", "4 again")
	var asked []string
	g.send = func(in ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		asked = append(asked, in.LookUp)
		switch in.LookUp {
		case "4":
			return ordercheck.SentGathered{Moved: true}, nil
		case "5":
			return ordercheck.SentGathered{}, temporal.NewNonRetryableApplicationError("404",
				ordercheck.ErrorOrderNotFound, nil)
		default:
			return ordercheck.SentGathered{}, nil
		}
	}
	g.run(workflows.GatherStart{})
	assert.Equal(t, []string{"4", "5", "3"}, asked)
	require.Len(t, g.sent, 1)
	assert.Equal(t, []string{"2", "3", "5"}, g.sent[0].keys)
	assert.Equal(t, ordercheck.InflowTaskQueue, g.sent[0].queue)
}

// The next run gets the waiting notices, the message that is being sent, and the past answers.
func TestGathererContinuesInTheNextRun(t *testing.T) {
	t.Parallel()
	g := newGatherer(t, office)
	for i := range 3 {
		g.notice(0, fmt.Sprint(i), fmt.Sprint(i))
	}
	g.send = func(ordercheck.SendGatheredInput) (ordercheck.SentGathered, error) {
		return ordercheck.SentGathered{}, errDown
	}
	g.notice(61*time.Minute, "2", "waits")
	g.RegisterDelayedCallback(func() { g.SetContinueAsNewSuggested(true) }, 70*time.Minute)
	start := g.run(workflows.GatherStart{})
	require.NotNil(t, start.State)
	require.NotNil(t, start.State.Sending)
	assert.Equal(t, "gathered-2", start.State.Sending.Key)
	assert.Len(t, start.State.Waiting.Notices, 1)

	before := g.Now()
	g = newGatherer(t, office)
	g.SetStartTime(before)
	g.notice(time.Minute, "1", "1") // asks again
	g.notice(time.Minute, "2", "2")
	g.run(start)
	assert.Equal(t, []string{"1"}, g.admitted)
	require.Len(t, g.sent, 2)
	assert.Equal(t, []string{"2"}, g.sent[0].keys)
	assert.Equal(t, []string{"waits"}, g.sent[1].keys)
}
