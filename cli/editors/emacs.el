;; Tells what waits for your answer, of all agents; what was asked while Emacs was closed, when it starts.
(require 'jsonrpc)
(defvar sessiond-socket (string-trim (shell-command-to-string "sessiond socket")))

(defun sessiond-tell (blocker)
  (let ((ask (plist-get blocker :request)))
    (when (equal (plist-get blocker :state) "pending")
      (message "%s (sessiond answer %s)"
               (if (plist-get ask :questions)
                   (plist-get (elt (plist-get ask :questions) 0) :question)
                 (mapconcat #'identity (vconcat (list (plist-get ask :permission)) (plist-get ask :patterns)) " "))
               (plist-get blocker :id)))))

(defun sessiond-take (connection _method params)
  (mapc (lambda (event) (sessiond-tell (plist-get event :data))) (plist-get params :events))
  (when (plist-get params :cursor)
    (jsonrpc-async-request connection 'events/ack `(:name "emacs" :cursor ,(plist-get params :cursor)))))

(defun sessiond-connect ()
  (unless (process-live-p (get-process "sessiond"))
    (ignore-errors
      (jsonrpc-async-request
       (jsonrpc-process-connection
        :name "sessiond" :notification-dispatcher #'sessiond-take
        :process (make-network-process
                  :name "sessiond" :family 'local :service sessiond-socket :coding 'utf-8-emacs-unix :noquery t))
       'events/subscribe '(:name "emacs" :bookmarkMs 3600000 :filter (:types ["blocker/updated"]))))))

(run-with-timer 0 1 #'sessiond-connect)
