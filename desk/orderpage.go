package desk

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// orderPage is the data of an order's page.
type orderPage struct {
	*Order
	ID, Name    string
	Summary     string
	ReleaseText string
	InflowURL   string
	RunURL      string

	Errors, Warnings []shownFinding
	Unevaluated      []ordercheck.Skipped
	Timeline         []ordercheck.TimelineEntry // the latest first
	TimelineFault    string

	CanComment, CanOverride bool
	// OverrideHint says why nobody can take responsibility here, and SignInToOverride what helps.
	OverrideHint     string
	SignInToOverride bool
	Form             orderForm
	Ends             []choice
	Today            string

	Message    string
	FaultTitle string
	Faults     []string
}

// orderForm is what somebody has typed in, so that a refusal loses none of it.
type orderForm struct {
	Findings []string
	All      bool
	Reason   string
	Until    string
	Text     string
}

type shownFinding struct {
	ordercheck.Finding
	// Selectable findings can be taken responsibility for by who looks; Locked ones by nobody.
	Selectable, Locked, Chosen bool
	WillConfirm                bool
}

func (s *Server) showOrder(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if key := r.URL.Query().Get("k"); key != "" {
		s.followLink(w, r, id, key)
		return
	}
	who := s.actor(r)
	if who == nil {
		http.Redirect(w, r, signInFor(r.URL.Path), http.StatusSeeOther) //nolint:gosec // as in signedIn
		return
	}
	order, err := s.order(r, who)
	if err != nil {
		s.orderFault(w, r, err)
		return
	}
	if order.SalesOrderID != id && !who.ByLink {
		http.Redirect(w, r, orderPageURL(order.SalesOrderID), http.StatusSeeOther)
		return
	}
	s.renderOrder(w, r, who, order, http.StatusOK, &orderPage{Message: done(r.URL.Query().Get("done"))})
}

// order returns the order that the address names. A link opens the order with that id alone: one
// order's id could be another's number.
func (s *Server) order(r *http.Request, who *actor) (*Order, error) {
	id := r.PathValue("id")
	order, err := s.orders.Get(r.Context(), id)
	if err == nil && who.ByLink && order.SalesOrderID != ordercheck.CanonicalID(id) {
		return nil, fmt.Errorf("%w: the link is for the id %q", ErrUnknownOrder, id)
	}
	return order, err
}

// done is the message after an action. The address names it, so that a reload does not act again.
func done(action string) string {
	switch action {
	case "checked":
		return "The order was checked just now."
	case "asked":
		return "The check has been asked for. Its result shows up here."
	case "overridden":
		return "You have taken responsibility."
	case "commented":
		return "Your comment is in the timeline."
	}
	return ""
}

func (s *Server) renderOrder(w http.ResponseWriter, r *http.Request, who *actor, order *Order, status int, p *orderPage) {
	id := order.SalesOrderID
	p.Order, p.ID, p.Name = order, id, orderName(order.OrderNumber, id)
	p.Summary, p.ReleaseText = summary(order.Status), releaseText(order)
	p.InflowURL = inflow.OrderPageURL(id)
	if s.uiURL != nil && who.Operator {
		p.RunURL = s.uiURL.JoinPath("namespaces", s.space, "workflows", ordercheck.WorkflowID(id)).String()
	}
	p.CanComment = order.Open
	s.offerOverride(who, p)
	for _, f := range order.Findings {
		shown := p.show(f, who)
		if f.Severity == ordercheck.SeverityError {
			p.Errors = append(p.Errors, shown)
		} else {
			p.Warnings = append(p.Warnings, shown)
		}
	}
	for _, f := range order.RuleErrors {
		p.Unevaluated = append(p.Unevaluated, ordercheck.Skipped{RuleID: f.RuleID, Reason: f.Error})
	}
	for _, f := range order.Skipped {
		if len(f.Missing) > 0 {
			p.Unevaluated = append(p.Unevaluated, f)
		}
	}
	var err error
	if p.Timeline, err = s.timeline(r.Context(), order); err != nil {
		p.TimelineFault = "What happened before this run could not be read now. Reload the page to try again."
	}
	slices.Reverse(p.Timeline)
	p.Today = s.now().In(s.location).Format(time.DateOnly)
	p.Ends = s.ends(p.Form.Until)
	if s.isEnd(p.Form.Until) {
		p.Form.Until = ""
	}
	s.render(w, r, status, "order", "orders", p)
}

// offerOverride decides whether who looks may take responsibility. The run decides again.
func (s *Server) offerOverride(who *actor, p *orderPage) {
	open := slices.ContainsFunc(p.Findings, func(f ordercheck.Finding) bool {
		return f.Severity == ordercheck.SeverityError && !slices.Contains(p.NotOverridable, f.RuleID)
	})
	switch {
	case !p.Open || !open:
	case who.MayOverride:
		p.CanOverride = true
	case who.ByLink:
		p.OverrideHint, p.SignInToOverride = "To take responsibility for an error you have to sign in.", true
	default:
		p.OverrideHint = "You may not take responsibility for errors. Ask somebody who may, or fix the order in InFlow."
	}
}

func (p *orderPage) show(f ordercheck.Finding, who *actor) shownFinding {
	isError := f.Severity == ordercheck.SeverityError
	locked := isError && slices.Contains(p.NotOverridable, f.RuleID)
	return shownFinding{
		Finding: f, Locked: locked && who.MayOverride,
		Selectable:  p.CanOverride && isError && !locked,
		Chosen:      slices.Contains(p.Form.Findings, f.ID),
		WillConfirm: isError && f.State == ordercheck.FindingPending && !f.ConfirmAt.IsZero(),
	}
}

func releaseText(order *Order) string {
	switch {
	case order.Release == ReleaseYes:
		return "Yes"
	case order.Release == ReleaseNo:
		return "No"
	case order.CheckOwed:
		return "Nobody knows yet: a check is waiting or running"
	}
	return "Nobody knows: the order was not checked, or not completely"
}

// ends are the usual ends of an override, as the dates of their last days.
func (s *Server) ends(chosen string) []choice {
	today := s.now().In(s.location)
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	ends := []choice{
		{Label: "today", Value: date(today)},
		{Label: "a week from now", Value: date(today.AddDate(0, 0, 7))},
		{Label: "a month from now", Value: date(today.AddDate(0, 1, 0))},
	}
	for i := range ends {
		ends[i].Chosen = ends[i].Value == chosen
	}
	return ends
}

func (s *Server) isEnd(date string) bool {
	return slices.ContainsFunc(s.ends(""), func(c choice) bool { return c.Value == date })
}

// orderFault answers for an order that cannot be shown.
func (s *Server) orderFault(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrUnknownOrder):
		s.message(w, r, http.StatusNotFound, "The gate does not know this order",
			"It was never checked, or so long ago that it was forgotten. Save it in InFlow, and it is checked.")
	default:
		s.unavailable(w, r, err)
	}
}
