package signin

import (
	"net/http"
	"strconv"
	"time"
)

// signInPage is the data of page sign-in.
type signInPage struct {
	Mode      Mode
	Next      string
	Provider  string // name of the OpenID Connect provider, for people
	Fault     string // what is wrong with the address that the person entered
	SignedOut bool
}

// sentPage is the data of page sign-in-sent.
type sentPage struct {
	Address string
	Again   string // address to ask for another link
}

// confirmPage is the data of page sign-in-confirm.
type confirmPage struct{ Address, Key string }

// failedPage is the data of page sign-in-failed.
type failedPage struct {
	fault
	URL string // where the link leads
}

// fault is a reason why somebody is not signed in. Its texts are constant, so they tell an attacker
// nothing.
type fault struct {
	Status int
	Title  string
	Text   string // what happened and what to do
	Action string // label of the link
}

var (
	faultInvalid = fault{
		http.StatusBadRequest, "This link does not work",
		"It may be incomplete. Open the link exactly as it is in the email, or ask for a new one.",
		"Ask for a new link",
	}
	faultExpired = fault{
		http.StatusGone, "This link has expired",
		"A link works for 15 minutes. Ask for a new one.", "Ask for a new link",
	}
	faultUsed = fault{
		http.StatusGone, "This link has already been used",
		"A link works only once. Ask for a new one.", "Ask for a new link",
	}
	faultRemoved = fault{
		http.StatusGone, "This link no longer works",
		"Your address may not sign in here any more. Ask the person who runs the order desk.",
		"Use another address",
	}
	faultUnavailable = fault{
		http.StatusServiceUnavailable, "Signing in does not work at the moment",
		"Wait a minute, then try again.", "Try again",
	}
	faultTooMany = fault{
		http.StatusTooManyRequests, "Too many tries",
		"Too many people in your network tried to sign in. Wait a minute, then try again.", "Try again",
	}
	faultTooLarge = fault{
		http.StatusRequestEntityTooLarge, "The form is too large",
		"An email address has at most 254 characters. Enter it again.", "Try again",
	}
	faultForm = fault{
		http.StatusBadRequest, "The form could not be read",
		"Fill in the form again.", "Try again",
	}
	faultMode = fault{
		http.StatusNotFound, "You cannot sign in this way",
		"This order desk uses another way to sign in.", "Sign in",
	}
	faultState = fault{
		http.StatusBadRequest, "This sign-in was not started here",
		"You started in another browser or tab, or more than 10 minutes ago. Start again.",
		"Start again",
	}
	faultRefused = fault{
		http.StatusBadRequest, "You are not signed in",
		"Your sign-in was not confirmed. Start again.", "Start again",
	}
	faultUnverified = fault{
		http.StatusForbidden, "Your address is not verified",
		"Nobody has verified the email address of your account. " +
			"Verify it in your account, or use another account.",
		"Use another account",
	}
	faultUnknown = fault{
		http.StatusForbidden, "This account may not sign in here",
		"Its email address is not on the list. Use another account, " +
			"or ask the person who runs the order desk.",
		"Use another account",
	}
	faultProvider = fault{
		http.StatusServiceUnavailable, "The sign-in service does not answer",
		"The order desk could not reach the service that signs you in. Try again in a minute.",
		"Try again",
	}
)

// fail shows a fault with a link to the sign-in page.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, f fault, next string) {
	s.failAgain(w, r, f, Path(next))
}

// failAgain shows a fault with a link to the address.
func (s *Service) failAgain(w http.ResponseWriter, r *http.Request, f fault, address string) {
	if f.Status == http.StatusServiceUnavailable {
		setRetryAfter(w, unavailableFor)
	}
	s.render(w, r, f.Status, "sign-in-failed", failedPage{fault: f, URL: address})
}

// unavailableFor is the Retry-After of status 503. The pages tell people to wait this long too.
const unavailableFor = time.Minute

// setRetryAfter sets the header in whole seconds, rounded up.
func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}
