package main

import (
	"context"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"error-check-gate/internal/ordercheck"
)

// cost counts the requests, actions and bytes of a day, or of an order's day.
type cost struct {
	// Requests to InFlow.
	fetches, retries, lookUps, addresses, lists int
	// Temporal's actions, as Temporal Cloud bills them: see docs/performance.md.
	signals, updates, timers, attempts, upserts, sideEffects, schedules int
	bytes                                                               int // of history
}

func (c *cost) add(d *cost) {
	c.fetches += d.fetches
	c.retries += d.retries
	c.lookUps += d.lookUps
	c.addresses += d.addresses
	c.lists += d.lists
	c.signals += d.signals
	c.updates += d.updates
	c.timers += d.timers
	c.attempts += d.attempts
	c.upserts += d.upserts
	c.sideEffects += d.sideEffects
	c.schedules += d.schedules
	c.bytes += d.bytes
}

func (c *cost) requests() int { return c.fetches + c.retries + c.lookUps + c.addresses + c.lists }

func (c *cost) actions() int {
	return c.signals + c.updates + c.timers + c.attempts + c.upserts + c.sideEffects + c.schedules
}

// eventSizes has the mean size of history events in bytes, by type, and for events of activities by
// type and activity.
type eventSizes map[string]int

const (
	// workflowTask stands for the three events of a workflow task.
	workflowTask = "workflow task"
	// activityEvents stands for the three events of an activity. Its name follows.
	activityEvents = "activity "
)

func (e eventSizes) of(t enumspb.EventType) int { return e[t.String()] }

// measureEvents reads histories of real runs.
func (s *site) measureEvents(ctx context.Context, orders []string) (eventSizes, error) {
	sum, count := map[string]int{}, map[string]int{}
	note := func(name string, bytes int) { sum[name] += bytes; count[name]++ }
	for _, order := range orders {
		activities := map[int64]string{} // names by scheduled event
		pages := s.temporal.GetWorkflowHistory(ctx, ordercheck.WorkflowID(order), "", false,
			enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for pages.HasNext() {
			event, err := pages.Next()
			if err != nil {
				return nil, err
			}
			name := event.GetEventType().String()
			if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
				activities[event.GetEventId()] = a.GetActivityType().GetName()
			}
			if activity := activities[scheduledEvent(event)]; activity != "" {
				name += " " + activity
			}
			note(name, proto.Size(event))
		}
	}
	sizes := eventSizes{}
	for name := range sum {
		sizes[name] = sum[name] / count[name]
	}
	for name := range sum {
		kind := strings.TrimPrefix(name, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED.String()+" ")
		if kind != name {
			sizes[activityEvents+kind] = sizes[name] +
				sizes[enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED.String()+" "+kind] +
				sizes[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED.String()+" "+kind]
		}
	}
	for _, t := range []enumspb.EventType{enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED} {
		sizes[workflowTask] += sizes.of(t)
	}
	return sizes, nil
}

// scheduledEvent returns the id of the event that scheduled the event's activity, or 0 if there is
// none.
func scheduledEvent(event *historypb.HistoryEvent) int64 {
	switch {
	case event.GetActivityTaskScheduledEventAttributes() != nil:
		return event.GetEventId()
	case event.GetActivityTaskStartedEventAttributes() != nil:
		return event.GetActivityTaskStartedEventAttributes().GetScheduledEventId()
	default:
		return event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()
	}
}

// dayTable is a table with a column per day.
func dayTable(names []string, orders []int, days []cost) string {
	var b strings.Builder
	line := func(what string, cell func(i int) string) {
		fmt.Fprintf(&b, "| %s |", what)
		for i := range days {
			fmt.Fprintf(&b, " %s |", cell(i))
		}
		b.WriteString("\n")
	}
	line("", func(i int) string { return names[i] })
	b.WriteString("|:---|" + strings.Repeat("---:|", len(days)) + "\n")
	whole := func(what string, value func(*cost) int) {
		line(what, func(i int) string { return fmt.Sprint(value(&days[i])) })
	}
	perOrder := func(what string, value func(*cost) int) {
		line(what, func(i int) string {
			return number(float64(value(&days[i])) / float64(orders[i]))
		})
	}
	whole("**InFlow requests**", (*cost).requests)
	whole("the order, for a check", func(c *cost) int { return c.fetches })
	whole("the same again, while InFlow was away", func(c *cost) int { return c.retries })
	whole("the customer's other orders", func(c *cost) int { return c.lookUps })
	whole("the sales rep's address, for a mail", func(c *cost) int { return c.addresses })
	whole("the list of orders, for sweeps", func(c *cost) int { return c.lists })
	perOrder("requests per order", (*cost).requests)
	whole("**Temporal actions**", (*cost).actions)
	whole("signals", func(c *cost) int { return c.signals })
	whole("updates, before a notice", func(c *cost) int { return c.updates })
	whole("activities, each attempt", func(c *cost) int { return c.attempts })
	whole("timers", func(c *cost) int { return c.timers })
	whole("search attributes", func(c *cost) int { return c.upserts })
	whole("settings of a run", func(c *cost) int { return c.sideEffects })
	whole("schedule of the sweep", func(c *cost) int { return c.schedules })
	perOrder("actions per order", (*cost).actions)
	perOrder("**bytes of history per order**", func(c *cost) int { return c.bytes })
	return b.String()
}
