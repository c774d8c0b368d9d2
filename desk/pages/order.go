package pages

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// orderData is the data of an order's page.
type orderData struct {
	*orders.Order
	ID, Name    string
	Summary     string
	ReleaseText string
	InflowURL   string
	RunURL      string // empty unless the reader is an operator

	Errors, Warnings []shownFinding
	Unevaluated      []ordercheck.Skipped
	Timeline         []ordercheck.TimelineEntry // latest first
	TimelineFault    string

	CanComment, CanOverride bool
	// OverrideHint says why the reader cannot take responsibility.
	OverrideHint     string
	SignInToOverride bool
	Form             orderForm
	Ends             []choice
	Today            string

	Message    string // after an action
	FaultTitle string // after a refused action
	Faults     []string
}

type shownFinding struct {
	ordercheck.Finding
	Selectable  bool // the reader can take responsibility for it
	Locked      bool // nobody can take responsibility for it
	Chosen      bool
	WillConfirm bool
}

func (h *Handler) showOrder(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if key := r.URL.Query().Get("k"); key != "" {
		h.followLink(w, r, id, key)
		return
	}
	who := h.actor(r)
	if who == nil {
		page := signInURL(r.URL.Path)
		http.Redirect(w, r, page, http.StatusSeeOther) //nolint:gosec // it escapes the path
		return
	}
	order, err := h.order(r, who)
	if err != nil {
		h.orderFault(w, r, err)
		return
	}
	if order.SalesOrderID != id && !who.ByLink {
		http.Redirect(w, r, orderURL(order.SalesOrderID), http.StatusSeeOther)
		return
	}
	message := messageAfter(r.URL.Query().Get("done"))
	h.renderOrder(w, r, who, order, http.StatusOK, &orderData{Message: message})
}

// order returns the order that the address names. For the receiver of a link, the address must be
// the order's id: it could also be the number of another order, which the link does not open.
func (h *Handler) order(r *http.Request, who *actor) (*orders.Order, error) {
	id := r.PathValue("id")
	order, err := h.orders.Get(r.Context(), id)
	if err == nil && who.ByLink && order.SalesOrderID != ordercheck.CanonicalID(id) {
		return nil, fmt.Errorf("%w: the link is for the id %q", orders.ErrUnknownOrder, id)
	}
	return order, err
}

// messageAfter returns the message after an action. The action is in the address, so that loading
// the page again does not act again.
func messageAfter(action string) string {
	switch action {
	case "checked":
		return "The order was checked just now."
	case "asked":
		return "The check is running. Its result appears here."
	case "overridden":
		return "You have taken responsibility."
	case "commented":
		return "Your comment is in the timeline."
	}
	return ""
}

// renderOrder completes the data of an order's page and shows it.
func (h *Handler) renderOrder(
	w http.ResponseWriter, r *http.Request, who *actor, order *orders.Order, status int, d *orderData,
) {
	id := order.SalesOrderID
	d.Order, d.ID, d.Name = order, id, orderName(order.OrderNumber, id)
	d.Summary, d.ReleaseText = summary(order.Status), releaseText(order)
	d.InflowURL = inflow.OrderPageURL(id)
	if h.uiURL != nil && who.Operator {
		run := h.uiURL.JoinPath("namespaces", h.namespace, "workflows", ordercheck.WorkflowID(id))
		d.RunURL = run.String()
	}
	d.CanComment = order.Open
	d.offerOverride(who)
	d.addFindings(who)
	timeline, err := h.orders.Timeline(r.Context(), order)
	if err != nil {
		d.TimelineFault = "A part of the timeline could not be read. Reload the page to try again."
	}
	slices.Reverse(timeline)
	d.Timeline = timeline
	d.Today = h.now().In(h.location).Format(time.DateOnly)
	d.Ends = h.usualEnds()
	if i := slices.IndexFunc(d.Ends, func(c choice) bool { return c.Value == d.Form.Until }); i >= 0 {
		d.Ends[i].Chosen, d.Form.Until = true, ""
	}
	h.render(w, r, status, "order", "orders", d)
}

func (d *orderData) addFindings(who *actor) {
	for _, f := range d.Findings {
		isError := f.Severity == ordercheck.SeverityError
		locked := isError && slices.Contains(d.NotOverridable, f.RuleID)
		shown := shownFinding{
			Finding: f, Locked: locked && who.MayOverride,
			Selectable:  d.CanOverride && isError && !locked,
			Chosen:      slices.Contains(d.Form.Findings, f.ID),
			WillConfirm: isError && f.State == ordercheck.FindingPending && !f.ConfirmAt.IsZero(),
		}
		if isError {
			d.Errors = append(d.Errors, shown)
		} else {
			d.Warnings = append(d.Warnings, shown)
		}
	}
	for _, f := range d.RuleErrors {
		d.Unevaluated = append(d.Unevaluated, ordercheck.Skipped{RuleID: f.RuleID, Reason: f.Error})
	}
	for _, f := range d.Skipped {
		if len(f.Missing) > 0 {
			d.Unevaluated = append(d.Unevaluated, f)
		}
	}
}

// offerOverride decides whether the reader may take responsibility. The run checks that again.
func (d *orderData) offerOverride(who *actor) {
	overridable := slices.ContainsFunc(d.Findings, func(f ordercheck.Finding) bool {
		return f.Severity == ordercheck.SeverityError && !slices.Contains(d.NotOverridable, f.RuleID)
	})
	switch {
	case !d.Open || !overridable:
	case who.MayOverride:
		d.CanOverride = true
	case who.ByLink:
		d.OverrideHint = "To take responsibility for an error, sign in."
		d.SignInToOverride = true
	default:
		d.OverrideHint = "You may not take responsibility for errors. " +
			"Ask somebody who may, or fix the order in InFlow."
	}
}

func releaseText(order *orders.Order) string {
	switch {
	case order.Release == orders.ReleaseYes:
		return "Yes"
	case order.Release == orders.ReleaseNo:
		return "No"
	case order.CheckDue:
		return "Not known yet: a check is waiting or running"
	}
	return "Not known: the order was not checked, or not completely"
}

// usualEnds returns the usual ends of an override. Their values are dates.
func (h *Handler) usualEnds() []choice {
	today := h.now().In(h.location)
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	return []choice{
		{Label: "today", Value: date(today)},
		{Label: "a week from now", Value: date(today.AddDate(0, 0, 7))},
		{Label: "a month from now", Value: date(today.AddDate(0, 1, 0))},
	}
}

// orderFault answers if an order cannot be shown.
func (h *Handler) orderFault(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, orders.ErrUnknownOrder) {
		h.message(w, r, http.StatusNotFound, "This order is not known here",
			"It was never checked, or the last check was very long ago. "+
				"Save the order in InFlow, then it is checked.")
		return
	}
	h.unavailable(w, r, err)
}
