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
	Provider  string // of OpenID Connect, for people
	Fault     string // what is wrong with the address that was sent
	SignedOut bool
}

// sentPage is the data of page sign-in-sent.
type sentPage struct {
	Address string
	Again   string // where to ask for another link
}

// confirmPage is the data of page sign-in-confirm.
type confirmPage struct{ Address, Key string }

// failedPage is the data of page sign-in-failed.
type failedPage struct {
	fault
	URL string // where the way out leads
}

// fault is one reason why somebody is not signed in. Its texts are constant, so an attacker learns
// nothing from them.
type fault struct {
	Status int
	Title  string
	Text   string // what happened and what to do
	Action string // names the way out
}

var (
	faultInvalid = fault{
		http.StatusBadRequest, "This link does not work",
		"It is cut off, or this desk did not make it. Open the link exactly as it is in the mail, " +
			"or ask for a new one.",
		"Ask for a new link",
	}
	faultExpired = fault{
		http.StatusGone, "This link has expired",
		"A link is good for 15 minutes. Ask for a new one.", "Ask for a new link",
	}
	faultUsed = fault{
		http.StatusGone, "This link was used already",
		"A link works once. Ask for a new one.", "Ask for a new link",
	}
	faultRemoved = fault{
		http.StatusGone, "This link no longer works",
		"Its address may no longer sign in here. Ask the person who runs the desk.",
		"Sign in as somebody else",
	}
	faultUnavailable = fault{
		http.StatusServiceUnavailable, "Signing in does not work right now",
		"Nothing was used up. Try again in a minute.", "Try again",
	}
	faultTooMany = fault{
		http.StatusTooManyRequests, "Too many tries",
		"Too many sign-ins were asked for from your network. Wait a minute, then try again.", "Try again",
	}
	faultTooLarge = fault{
		http.StatusRequestEntityTooLarge, "The form is too large",
		"A mail address has at most 254 characters. Type it again.", "Try again",
	}
	faultForm = fault{
		http.StatusBadRequest, "The form could not be read",
		"Fill in the form again.", "Try again",
	}
	faultMode = fault{
		http.StatusNotFound, "People do not sign in this way here",
		"See how to sign in at this desk.", "Sign in",
	}
	faultState = fault{
		http.StatusBadRequest, "This sign-in was not started here",
		"It began in another browser or another tab, or took more than 10 minutes. Start again.",
		"Start again",
	}
	faultRefused = fault{
		http.StatusBadRequest, "You are not signed in",
		"The provider did not confirm who you are. Start again.", "Start again",
	}
	faultUnverified = fault{
		http.StatusForbidden, "Your address is not verified",
		"The provider has not verified that the mail address of your account is yours. " +
			"Verify it there, or use another account.",
		"Use another account",
	}
	faultStranger = fault{
		http.StatusForbidden, "This account may not sign in here",
		"Its mail address is not one of this desk's people. Use another account, " +
			"or ask the person who runs the desk.",
		"Use another account",
	}
	faultProvider = fault{
		http.StatusServiceUnavailable, "The provider does not answer",
		"The desk could not reach the provider that signs people in. Try again in a minute.", "Try again",
	}
)

// fail shows a fault. Its way out is the page for signing in.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, f fault, next string) {
	s.failAgain(w, r, f, Path(next))
}

// failAgain shows a fault with a way out of its own.
func (s *Service) failAgain(w http.ResponseWriter, r *http.Request, f fault, address string) {
	if f.Status == http.StatusServiceUnavailable {
		setRetryAfter(w, unavailableFor)
	}
	s.render(w, r, f.Status, "sign-in-failed", failedPage{fault: f, URL: address})
}

// unavailableFor is a guess: it is as long as the pages tell people to wait.
const unavailableFor = time.Minute

// setRetryAfter rounds up to whole seconds.
func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}
