package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/desk/orders"
	"error-check-gate/internal/ordercheck"
)

// action acts on an order. It returns the word by which [messageAfter] chooses the message.
type action func(
	ctx context.Context, who *actor, order *orders.Order, form *orderForm,
) (done string, err error)

// orderForm holds the input of a form. If we refuse a form, the page shows it again.
type orderForm struct {
	Findings []string
	All      bool
	Reason   string
	Until    string
	Text     string
}

// refusal is an error for people: why an action was not done.
type refusal struct {
	title  string
	faults []string
}

func (e *refusal) Error() string { return e.title + ": " + strings.Join(e.faults, "; ") }

// act wraps an action for the person who is signed in, or who followed the order's link.
func (h *Handler) act(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			h.formFault(w, r, err)
			return
		}
		form := readForm(r.PostForm)
		page := orderURL(r.PathValue("id"))
		who := h.actor(r)
		if who == nil {
			h.askToSignIn(w, r, page, &form)
			return
		}
		order, err := h.order(r, who)
		if err != nil {
			h.actionFault(w, r, &form, err)
			return
		}
		done, err := do(r.Context(), who, order, &form)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			h.renderOrder(w, r, who, order, http.StatusUnprocessableEntity,
				&orderData{Form: form, FaultTitle: refused.title, Faults: refused.faults})
		case err != nil:
			h.actionFault(w, r, &form, err)
		default:
			http.Redirect(w, r, page+"?done="+done, http.StatusSeeOther)
		}
	}
}

func readForm(form url.Values) orderForm {
	f := orderForm{
		Reason: normalizeLines(form.Get("reason")), Text: normalizeLines(form.Get("text")),
	}
	for _, finding := range form["finding"] {
		if finding == ordercheck.AllFindings {
			f.All = true
		} else {
			f.Findings = append(f.Findings, finding)
		}
	}
	// The form has a choice of usual days, and after it a field for another day, which wins.
	for _, until := range form["until"] {
		if until = strings.TrimSpace(until); until != "" {
			f.Until = until
		}
	}
	return f
}

// normalizeLines turns the line breaks of browsers, \r\n, into \n. They would count as two
// characters.
func normalizeLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// checkTimeout limits the wait of a browser for a check. Most checks take a second. If one takes
// longer, the answer says that the check goes on.
const checkTimeout = 8 * time.Second

func (h *Handler) check(
	ctx context.Context, _ *actor, order *orders.Order, _ *orderForm,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := h.orders.Check(ctx, order.SalesOrderID)
	var failed *temporal.ApplicationError
	switch {
	case err == nil:
		return "checked", nil
	case errors.As(err, &failed):
		return "", &refusal{"The check failed.", []string{failed.Message()}}
	case ctx.Err() != nil && errors.Is(err, orders.ErrUnavailable):
		return "asked", nil
	}
	return "", err
}

func (h *Handler) override(
	ctx context.Context, who *actor, order *orders.Order, form *orderForm,
) (string, error) {
	const title = "You have not taken responsibility."
	refuse := func(fault string) (string, error) { return "", &refusal{title, []string{fault}} }
	if !who.MayOverride {
		return refuse("You may not take responsibility for errors.")
	}
	until, fault := h.parseUntil(form.Until)
	if fault != "" {
		return refuse(fault)
	}
	request := ordercheck.OverrideRequest{
		Findings: form.Findings, By: who.by(), Reason: form.Reason, Until: until,
	}
	if form.All {
		request.Findings = []string{ordercheck.AllFindings}
	}
	if len(request.Findings) == 0 {
		return refuse("Choose at least one error.")
	}
	_, err := h.orders.Override(ctx, order.SalesOrderID, request)
	return "overridden", refusalFor(title, err)
}

func (h *Handler) comment(
	ctx context.Context, who *actor, order *orders.Order, form *orderForm,
) (string, error) {
	comment := ordercheck.Comment{By: who.by(), Text: form.Text}
	_, err := h.orders.Comment(ctx, order.SalesOrderID, comment)
	return "commented", refusalFor("Your comment was not added.", err)
}

// lastUntil is the last year of an override's end. JSON has no later times.
const lastUntil = 9998

// parseUntil parses the end of an override: a date, which includes that day, or a time in RFC 3339.
// A fault is a sentence for people.
func (h *Handler) parseUntil(text string) (until time.Time, fault string) {
	if text == "" {
		return time.Time{}, "Choose how long you take responsibility."
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, h.location); err == nil {
		until = day.AddDate(0, 0, 1)
	} else if until, err = time.Parse(time.RFC3339, text); err != nil {
		return time.Time{}, ordercheck.Cut(text, 40) + " is not a date. Write a date such as 2026-12-31."
	}
	if until.Year() > lastUntil {
		return time.Time{}, "The end is too far in the future. Choose an earlier day."
	}
	return until, ""
}

// refusalFor turns an error of the order's run into a refusal.
func refusalFor(title string, err error) error {
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &application) && !errors.Is(err, orders.ErrRunEnded):
		faults := strings.Split(application.Message(), "\n")
		for i := range faults {
			faults[i] = plainFault(faults[i])
		}
		return &refusal{title, faults}
	case errors.Is(err, orders.ErrNotOpen):
		return &refusal{title, []string{
			"This order is not held any more. Check it again to see if it is correct.",
		}}
	}
	return err
}

// formFault answers if a form cannot be parsed.
func (h *Handler) formFault(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		h.message(w, r, http.StatusRequestEntityTooLarge, "This text is too long",
			"Nothing was done. Go back, make the text shorter and send it again.")
		return
	}
	h.message(w, r, http.StatusBadRequest, "This form could not be read",
		"Nothing was done. Go back and send it again.")
}

// notDoneData is the data of the page for an action that may not have been done. It gives the
// reader the text back, so that nobody has to type it again.
type notDoneData struct {
	Title, Text string
	Typed       string
	URL, Action string // what to do next
}

// askToSignIn answers if nobody is signed in any more.
func (h *Handler) askToSignIn(
	w http.ResponseWriter, r *http.Request, page string, form *orderForm,
) {
	if form.typed() == "" {
		http.Redirect(w, r, signInURL(page), http.StatusSeeOther)
		return
	}
	h.render(w, r, http.StatusForbidden, "not-done", "", notDoneData{
		Title: "You are not signed in any more",
		Text:  "Nothing was done. Copy your text, sign in, and send it again.",
		Typed: form.typed(), URL: signInURL(page), Action: "Sign in",
	})
}

// actionFault answers if an action failed, or if nobody knows whether it was done.
func (h *Handler) actionFault(w http.ResponseWriter, r *http.Request, form *orderForm, err error) {
	if !errors.Is(err, orders.ErrUnavailable) && !errors.Is(err, orders.ErrRunEnded) {
		h.orderFault(w, r, err)
		return
	}
	h.logger.WarnContext(r.Context(), "the run of an order did not answer an action",
		"route", r.Pattern, "error", err)
	w.Header().Set("Retry-After", "10")
	h.render(w, r, http.StatusServiceUnavailable, "not-done", "", notDoneData{
		Title: "The order desk got no answer",
		Text: "We do not know if this was done. Nothing is lost. " +
			"Wait a minute and look at the order before you send it again.",
		Typed: form.typed(), URL: orderURL(r.PathValue("id")), Action: "Look at the order",
	})
}

// typed returns the text that the reader typed.
func (f *orderForm) typed() string { return f.Reason + f.Text }
