package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"error-check-gate/internal/ordercheck"
)

// action does something to an order, and returns the word for its message.
type action func(ctx context.Context, who *actor, order *Order, form *orderForm) (done string, err error)

// refusal says what is wrong with a form.
type refusal struct {
	title  string
	faults []string
}

func (e *refusal) Error() string { return e.title + ": " + strings.Join(e.faults, "; ") }

// act wraps an action: who acts is who is signed in, or whom the order's link was sent to.
func (s *Server) act(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page := orderPageURL(r.PathValue("id"))
		who := s.actor(r)
		if who == nil {
			http.Redirect(w, r, signInFor(page), http.StatusSeeOther)
			return
		}
		if err := r.ParseForm(); err != nil {
			s.formFault(w, r, err)
			return
		}
		form := readForm(r.PostForm)
		order, err := s.order(r, who)
		if err != nil {
			s.orderFault(w, r, err)
			return
		}
		done, err := do(r.Context(), who, order, &form)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			s.renderOrder(w, r, who, order, http.StatusUnprocessableEntity,
				&orderPage{Form: form, FaultTitle: refused.title, Faults: refused.faults})
		case err != nil:
			s.orderFault(w, r, err)
		default:
			http.Redirect(w, r, page+"?done="+done, http.StatusSeeOther)
		}
	}
}

func (s *Server) formFault(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		s.message(w, r, http.StatusRequestEntityTooLarge, "This is too long",
			fmt.Sprintf("Nothing was done. A form has at most %d KB.", maxForm>>10))
		return
	}
	s.message(w, r, http.StatusBadRequest, "This form cannot be read", "Nothing was done. Go back and send it again.")
}

func readForm(form url.Values) orderForm {
	f := orderForm{Reason: form.Get("reason"), Text: form.Get("text")}
	for _, finding := range form["finding"] {
		if finding == ordercheck.AllFindings {
			f.All = true
		} else {
			f.Findings = append(f.Findings, finding)
		}
	}
	for _, until := range form["until"] { // a day that was typed in counts more than one of the usual
		if until = strings.TrimSpace(until); until != "" {
			f.Until = until
		}
	}
	return f
}

// checkPatience is how long a browser waits for a check. Most take a second; the page follows the
// others.
const checkPatience = 8 * time.Second

func (s *Server) checkAgain(ctx context.Context, _ *actor, order *Order, _ *orderForm) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	_, err := s.orders.Check(ctx, order.SalesOrderID)
	var failed *temporal.ApplicationError
	switch {
	case err == nil:
		return "checked", nil
	case errors.As(err, &failed):
		return "", &refusal{"The check could not be done.", []string{failed.Message()}}
	case ctx.Err() != nil && errors.Is(err, ErrUnavailable):
		return "asked", nil
	}
	return "", err
}

func (s *Server) override(ctx context.Context, who *actor, order *Order, form *orderForm) (string, error) {
	const title = "You have not taken responsibility."
	if !who.MayOverride {
		return "", &refusal{title, []string{"You may not take responsibility for errors."}}
	}
	until, err := s.readUntil(form.Until)
	if err != nil {
		return "", &refusal{title, []string{err.Error()}}
	}
	request := ordercheck.OverrideRequest{Findings: form.Findings, By: who.by(), Reason: plainLines(form.Reason), Until: until}
	if form.All {
		request.Findings = []string{ordercheck.AllFindings}
	}
	if len(request.Findings) == 0 {
		return "", &refusal{title, []string{"Choose at least one error."}}
	}
	_, err = s.orders.Override(ctx, order.SalesOrderID, request)
	return "overridden", refused(title, err)
}

func (s *Server) comment(ctx context.Context, who *actor, order *Order, form *orderForm) (string, error) {
	_, err := s.orders.Comment(ctx, order.SalesOrderID, ordercheck.Comment{By: who.by(), Text: plainLines(form.Text)})
	return "commented", refused("The comment was not taken.", err)
}

// plainLines undoes that browsers send line breaks as two characters, which would count twice.
func plainLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// readUntil reads a form's end of an override: a date, which includes that day, or a time.
func (s *Server) readUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("Choose how long you take responsibility.") //nolint:staticcheck,revive // a sentence for people
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, s.location); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date: write one such as 2026-12-31", ordercheck.Cut(text, 40))
	}
	return at, nil
}

// refused turns what the run refuses into a refusal.
func refused(title string, err error) error {
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &application):
		faults := strings.Split(application.Message(), "\n")
		for i := range faults {
			faults[i] = plainFault(faults[i])
		}
		return &refusal{title, faults}
	case errors.Is(err, ErrNotOpen):
		return &refusal{title, []string{"Nothing holds this order any more. Check it again to see how it stands."}}
	}
	return err
}
