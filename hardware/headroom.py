"""Waiting before a busy worker: how long a request waits for one of its slots.

A worker that holds b requests at a time is a queue with m = b slots, each taken for S = m / rate seconds. The
mean wait is that of a G/G/m queue by Sakasegawa's approximation, exact for M/M/1 and M/G/1; with one slot it
is Kingman's formula.

Sources: H. Sakasegawa, "An approximation formula L_q = alpha rho^beta / (1 - rho)", Annals of the Institute
of Statistical Mathematics 29 (1977); W. Hopp, M. Spearman, "Factory Physics", ch. 8.
"""

import numpy as np

from aicfg.hardware.interpolation import FloatArray


def slot_wait(
    slots: FloatArray,
    service: FloatArray,
    utilisation: float,
    arrival_cv2: float = 1.0,
    service_cv2: float = 1.0,
) -> FloatArray:
    """Mean time in the queue, in the unit of ``service``.

    W = (c_a^2 + c_s^2) / 2 * rho^(sqrt(2 (m + 1)) - 1) / (m (1 - rho)) * S

    Parameters
    ----------
    slots
        (N,) requests that a worker holds at a time, m.
    service
        (N,) time for which a request holds its slot, S.
    utilisation
        Busy share of the slots, rho, from 0 to below 1.
    arrival_cv2, service_cv2
        Squared coefficients of variation of the times between arrivals (1: Poisson) and of the service times.
    """
    if not 0.0 <= utilisation < 1.0:
        raise ValueError(f"utilisation: {utilisation} is not a share from 0 to below 1")
    if utilisation == 0.0:
        return np.zeros(np.broadcast(slots, service).shape)
    power = np.sqrt(2.0 * (np.asarray(slots, np.float64) + 1.0)) - 1.0
    busy = utilisation**power / (slots * (1.0 - utilisation))
    return (arrival_cv2 + service_cv2) / 2.0 * busy * np.asarray(service, np.float64)
