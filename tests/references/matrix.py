"""Methods for matrices, by singular values and eigenvectors where the methods themselves take products or iterate.

An array that is no matrix trains as with AdamW, which is what gradtx gives to the leaves that are not chosen.
"""

import numpy as np

JORDAN = ((3.4445, -4.7750, 2.0315),) * 5

DEEPSEEK = ((3.4445, -4.7750, 2.0315),) * 8 + ((2.0, -1.5, 0.5),) * 2


def polynomials(sigma, table):
    """What the odd polynomials of a table make of singular values, one after the other."""
    for a, b, c in table:
        sigma = a * sigma + b * sigma**3 + c * sigma**5
    return sigma


def orthogonal(x, table=JORDAN, eps=1e-7):
    """U p(Σ) Vᵀ for x / (‖x‖ + eps) = U Σ Vᵀ: what Newton-Schulz computes without a decomposition."""
    u, sigma, v = np.linalg.svd(x / (np.linalg.norm(x) + eps), full_matrices=False)
    return u @ np.diag(polynomials(sigma, table)) @ v


def adam_directions(gradients, beta1, beta2, eps):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 1: m̂ / (√v̂ + ε) for each gradient."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        yield m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)


def stepped(x, directions, eta, lamda):
    """Loshchilov & Hutter 2017, "Decoupled Weight Decay Regularization" (arXiv 1711.05101), algorithm 2, line 12: x ← x − η (d + λ x)."""
    for d in directions:
        x = x - eta * (d + lamda * x)
        yield x


def muon(x, gradients, eta, mu=0.95, lamda=0.1, beta1=0.9, beta2=0.95, eps=1e-8, table=JORDAN, rms=0.2):
    """Liu et al. 2025, "Muon is Scalable for LLM Training" (arXiv 2502.16982), equations 1, 3 and 4, with Nesterov momentum.

    By singular values. M is an average, (1 − μ) times the paper's sum, which the polar factor does not see.
    """

    def directions():
        m = 0.0
        for g in gradients:
            m = mu * m + (1 - mu) * g
            yield rms * np.sqrt(max(x.shape)) * orthogonal(mu * m + (1 - mu) * g, table)

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def qr_turned(s, q):
    """Vyas et al. 2024, algorithm 4: the vectors of one power iteration, those of the largest eigenvalues first, and the order."""
    order = np.argsort(-np.diag(q.T @ s @ q))
    return np.linalg.qr(s @ q[:, order])[0], order


def soap_directions(gradients, beta1, beta2, eps, decay, every):
    """Vyas et al. 2024, "SOAP" (arXiv 2409.11321), algorithm 3 with algorithm 4: Q N' Pᵀ for each gradient.

    The first makes Q and P alone. The vectors are sorted by eigenvalue and V is permuted with them, as in the authors' implementation.
    """
    m, v, taken = 0.0, 0.0, 0
    left = right = q = p = 0.0
    for t, g in enumerate(gradients):
        m = beta1 * m + (1 - beta1) * g
        if t > 0:
            taken += 1
            v = beta2 * v + (1 - beta2) * (q.T @ g @ p) ** 2
            m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2**taken)
            yield q @ (q.T @ m_hat @ p / (np.sqrt(v_hat) + eps)) @ p.T
        else:
            yield np.zeros_like(g)
        left = decay * left + (1 - decay) * g @ g.T
        right = decay * right + (1 - decay) * g.T @ g
        if t == 0:
            q, p = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
        elif t % every == 0:
            (q, rows), (p, columns) = qr_turned(left, q), qr_turned(right, p)
            v = v[rows][:, columns]


def soap(x, gradients, eta, lamda=0.01, beta1=0.95, beta2=0.95, eps=1e-8, decay=0.95, every=10):
    """Vyas et al. 2024, "SOAP" (arXiv 2409.11321), algorithm 3, with decoupled weight decay."""
    if x.ndim == 2:
        directions = soap_directions(gradients, beta1, beta2, eps, decay, every)
    else:
        directions = adam_directions(gradients, beta1, beta2, eps)
    yield from stepped(x, directions, eta, lamda)


def power(s, exponent):
    """A symmetric matrix to a power, by eigenvalues."""
    values, vectors = np.linalg.eigh(s)
    return vectors @ np.diag(values**exponent) @ vectors.T


def ridged(s, eps):
    """S + ε λ₁ I: the ridge is relative, as in Anil et al. 2020 (arXiv 2002.09018), section 3."""
    return s + eps * np.linalg.norm(s, 2) * np.eye(len(s))


def shampoo_directions(gradients, beta1, beta2, eps, exponent, matrix_eps, every):
    """Gupta et al. 2018, "Shampoo" (arXiv 1802.09568), algorithm 1: L^(−p) G R^(−p), with averages for sums, grafted, averaged."""
    m = v = left = right = 0.0
    for t, g in enumerate(gradients, start=1):
        left = beta2 * left + (1 - beta2) * g @ g.T
        right = beta2 * right + (1 - beta2) * g.T @ g
        v = beta2 * v + (1 - beta2) * g**2
        corrected = 1 - beta2**t
        if (t - 1) % every == 0:
            row_root, column_root = (power(ridged(s / corrected, matrix_eps), -exponent) for s in (left, right))
        direction, length = row_root @ g @ column_root, np.linalg.norm(g / (np.sqrt(v / corrected) + eps))
        m = beta1 * m + (1 - beta1) * direction * length / np.linalg.norm(direction)
        yield m / (1 - beta1**t)


def shampoo(x, gradients, eta, lamda=0.01, beta1=0.9, beta2=0.999, eps=1e-8, exponent=0.25, matrix_eps=1e-6, every=10):
    """Gupta et al. 2018, "Shampoo" (arXiv 1802.09568), algorithm 1, by matrix powers, grafted onto Adam as in Shi et al. 2023."""
    if x.ndim == 2:
        directions = shampoo_directions(gradients, beta1, beta2, eps, exponent, matrix_eps, every)
    else:
        directions = adam_directions(gradients, beta1, beta2, eps)
    yield from stepped(x, directions, eta, lamda)


def normuon(x, gradients, eta, mu=0.95, decay=0.95, lamda=0.1, beta1=0.9, beta2=0.95, eps=1e-8, axis=-1):
    """Li et al. 2025, "NorMuon" (arXiv 2510.05491), algorithm 1, with Nesterov momentum; neurons are the outputs, along `axis`."""

    def directions():
        m = v = 0.0
        for g in gradients:
            m = mu * m + (1 - mu) * g
            o = orthogonal(mu * m + (1 - mu) * g)
            v = decay * v + (1 - decay) * np.mean(o**2, axis=1 - axis % 2, keepdims=True)
            o = o / (np.sqrt(v) + eps)
            yield 0.2 * np.sqrt(o.size) * o / (np.linalg.norm(o) + eps)

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def adamuon(x, gradients, eta, mu=0.95, decay=0.95, lamda=0.1, beta1=0.9, beta2=0.95, eps=1e-8):
    """Si et al. 2025, "AdaMuon" (arXiv 2507.11005), algorithm 1, with Nesterov momentum."""

    def directions():
        m = v = 0.0
        for g in gradients:
            m = mu * m + (1 - mu) * g
            o = orthogonal(np.sign(mu * m + (1 - mu) * g))
            v = decay * v + (1 - decay) * o**2
            o = o / (np.sqrt(v) + eps)
            yield 0.2 * np.sqrt(o.size) * o / (np.linalg.norm(o) + eps)

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def alternated(u, iterations, eps):
    """Rows, then columns, to a root mean square of 1, by diagonal matrices from both sides."""
    for _ in range(iterations):
        u = np.diag(np.sqrt(u.shape[1]) / (np.linalg.norm(u, axis=1) + eps)) @ u
        u = u @ np.diag(np.sqrt(u.shape[0]) / (np.linalg.norm(u, axis=0) + eps))
    return u


def sinkgd(x, gradients, eta, lamda=0.0, beta1=0.9, beta2=0.999, eps=1e-8, alpha=0.05, iterations=5):
    """Scetbon et al. 2025, "Gradient Multi-Normalization" (arXiv 2502.06742), algorithm 4."""
    matrices = (alpha * alternated(g, iterations, eps) for g in gradients)
    yield from stepped(x, matrices if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def scion(x, gradients, gamma, rho=50.0, alpha=0.1, shrink=1.0, axis=-1):
    """Pethick et al. 2025, "Scion" (arXiv 2502.07529), algorithm 2: x ← (1 − γ) x + γ lmo(d), shrinking by γ λ for other λ.

    With the norms of hidden matrices and of biases in table 3.
    """
    d = 0.0
    for g in gradients:
        d = (1 - alpha) * d + alpha * g
        if x.ndim == 2:
            lmo = -rho * np.sqrt(x.shape[axis] / x.shape[1 - axis % 2]) * orthogonal(d)
        else:
            lmo = -rho * np.sqrt(d.size) * d / (np.linalg.norm(d) + 1e-8)
        x = (1 - gamma * shrink) * x + gamma * lmo
        yield x


def galore(x, gradients, eta, rank=128, lamda=0.0, beta1=0.9, beta2=0.999, eps=1e-8, alpha=0.25, every=200):
    """Zhao et al. 2024, "GaLore" (arXiv 2403.03507), algorithm 2; tall matrices by their right singular vectors.

    The sign of a singular vector is chosen to agree with the one before, of which the paper says nothing.
    """

    def directions():
        m = v = 0.0
        p = np.eye(min(x.shape), rank)
        for t, g in enumerate(gradients):
            g = g if g.shape[0] < g.shape[1] else g.T
            if t % every == 0:
                vectors = np.linalg.eigh(g @ g.T)[1][:, ::-1][:, :rank]
                p = vectors * np.where(np.diag(vectors.T @ p[:, : vectors.shape[1]]) < 0, -1, 1)
            r = p.T @ g
            m = beta1 * m + (1 - beta1) * r
            v = beta2 * v + (1 - beta2) * r**2
            u = alpha * p @ (m / (1 - beta1 ** (t + 1)) / (np.sqrt(v / (1 - beta2 ** (t + 1))) + eps))
            yield u if x.shape[0] < x.shape[1] else u.T

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def apollo(x, gradients, eta, draws, lamda=0.0, beta1=0.9, beta2=0.999, eps=1e-8, alpha=1.0, gamma=1.01, mini=False):
    """Zhu et al. 2024, "APOLLO" (arXiv 2412.05270), algorithm 1, with the projections that were drawn, one for each step.

    APOLLO-Mini (`mini`) has one factor for the whole matrix. Moments are corrected behind the bound, as in the authors' code.
    """

    def directions():
        m = v = before = 0.0
        for t, (g, p) in enumerate(zip(gradients, draws, strict=True), start=1):
            r = p.T @ g
            m = beta1 * m + (1 - beta1) * r
            v = beta2 * v + (1 - beta2) * r**2
            adam = m / (np.sqrt(v) + eps)
            if mini:
                u = g * np.linalg.norm(adam) / (np.linalg.norm(r) + 1e-8)
            else:
                u = g @ np.diag(np.linalg.norm(adam, axis=0) / (np.linalg.norm(r, axis=0) + 1e-8))
            norm = np.linalg.norm(u)
            u = u if t == 1 else u / (max(norm / before, gamma) / gamma)
            before = np.linalg.norm(u)
            yield alpha * np.sqrt(1 - beta2**t) / (1 - beta1**t) * u

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def on_sphere(x, directions, eta):
    """Wen et al. 2026, "Hyperball Optimization" (arXiv 2606.16899), from an implementation: x ← Norm(x − η Norm(d) ‖x₀‖) ‖x₀‖."""
    radius = np.linalg.norm(x)
    for d in directions:
        x = x - eta * d / np.linalg.norm(d) * radius
        x = x / np.linalg.norm(x) * radius
        yield x


def adamh(x, gradients, eta, eta_others, beta1=0.9, beta2=0.95, eps=1e-8):
    """Wen et al. 2026, "Hyperball Optimization" (arXiv 2606.16899), from an implementation, with the update of Adam."""
    directions = adam_directions(gradients, beta1, beta2, eps)
    yield from on_sphere(x, directions, eta) if x.ndim == 2 else stepped(x, directions, eta_others, 0.0)


def muonh(x, gradients, eta, eta_others, mu=0.95, beta1=0.9, beta2=0.95, eps=1e-8):
    """Wen et al. 2026, "Hyperball Optimization" (arXiv 2606.16899), from an implementation, with the update of Muon."""
    if x.ndim != 2:
        yield from stepped(x, adam_directions(gradients, beta1, beta2, eps), eta_others, 0.0)
        return
    m, directions = 0.0, []
    for g in gradients:
        m = mu * m + (1 - mu) * g
        directions.append(orthogonal(mu * m + (1 - mu) * g))
    yield from on_sphere(x, directions, eta)


def spectral_norm(s):
    """Li, psgd_torch, `norm_lower_bound`: ‖S‖₂ from below, by one step of power iteration from the longest column."""
    x = s @ s[:, np.argmax(np.linalg.norm(s, axis=0))]
    return np.linalg.norm(s @ (x / np.linalg.norm(x)))


def kron_factors(g, probe, factors, rate, eps):
    """Li 2015, "Preconditioned Stochastic Gradient Descent" (arXiv 1512.04202), section IV: one step for Q = Q₂ ⊗ Q₁ on its Lie group.

    It whitens g, to which psgd_torch adds `eps` times the probe. An array with less than two axes has a diagonal Q.
    """
    g = g + eps * probe
    if g.ndim < 2:
        (q,) = factors
        a, b = q * g, probe / q
        return [q - rate / np.max(a**2 + b**2) * (a**2 - b**2) * q]
    left, right = (np.diag(q) if q.ndim < 2 else q for q in factors)
    a, b = left @ g @ right.T, np.linalg.inv(left).T @ probe @ np.linalg.inv(right)
    stepped = []
    for q, s, t in ((factors[0], a @ a.T, b @ b.T), (factors[1], a.T @ a, b.T @ b)):
        if q.ndim < 2:
            s, t = np.diag(s), np.diag(t)
            stepped.append(q - rate / np.max(s + t) * (s - t) * q)
        else:
            stepped.append(q - rate / spectral_norm(s + t) * np.triu(s - t) @ q)
    return stepped


def psgd_kron(x, gradients, eta, draws, beta1=0.9, lamda=0.0, every=1, rate=0.1, eps=1e-9, max_size=8192, threshold=1.1):
    """Li 2015, "Preconditioned Stochastic Gradient Descent" (arXiv 1512.04202), section IV, in the form of Kron, with its probes.

    `draws` has the probes of all steps by shape. A fit comes once in `every` steps.
    """
    factors = [np.eye(n) if n <= max_size else np.ones(n) for n in x.shape] if x.ndim == 2 else [np.ones_like(x)]
    m = 0.0
    for t, (g, probe) in enumerate(zip(gradients, draws[x.shape], strict=True)):
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1 ** (t + 1))
        if t % every == 0:
            factors = kron_factors(m_hat, probe, factors, rate, eps)
        if x.ndim == 2:
            left, right = (np.diag(q) if q.ndim < 2 else q for q in factors)
            u = left.T @ left @ m_hat @ right.T @ right
        else:
            u = factors[0] ** 2 * m_hat
        u = u * min(1, threshold / np.sqrt(np.mean(u**2)))
        x = x - eta * (u + lamda * x)
        yield x


def dion(x, gradients, eta, first, mu=0.95, lamda=0.01, beta1=0.9, beta2=0.95, eps=1e-8, axis=-1):
    """Ahn et al. 2025, "Dion" (arXiv 2504.05295), algorithm 1, with the factor √(out / in); `first` is Q₀.

    P orthonormalises B Q by a Cholesky factor of its Gram matrix, where others reflect.
    """

    def directions():
        m, q = np.zeros_like(x), first
        for g in gradients:
            b = m + g
            image = b @ q
            p = np.linalg.solve(np.linalg.cholesky(image.T @ image), image.T).T
            r = b.T @ p
            m = b - (1 - mu) * p @ r.T
            q = r / (np.linalg.norm(r, axis=0) + eps)
            yield np.sqrt(x.shape[axis] / x.shape[1 - axis % 2]) * p @ q.T

    yield from stepped(x, directions() if x.ndim == 2 else adam_directions(gradients, beta1, beta2, eps), eta, lamda)


def kl_shampoo_directions(gradients, beta1, beta2, eps, initial, every):
    """Lin et al. 2025, KL-Shampoo, from its authors' implementation: L^(−½) M R^(−½).

    Eigenvalues are averages of their own. The first gradient makes the vectors alone, from G Gᵀ and Gᵀ G without units.
    """
    m = left = right = 0.0
    for t, g in enumerate(gradients):
        rows, columns = g.shape
        m = beta1 * m + (1 - beta1) * g
        if t == 0:
            q, p, a, b = np.eye(rows), np.eye(columns), np.ones(rows), np.ones(columns)
            yield np.zeros_like(g)
        else:
            row_root, column_root = (v @ np.diag((s + eps * max(s)) ** -0.5) @ v.T for v, s in ((q, a), (p, b)))
            yield row_root @ m @ column_root
        of_rows = g @ p @ np.diag(1 / b) @ p.T @ g.T / columns
        of_columns = g.T @ q @ np.diag(1 / a) @ q.T @ g / rows
        left = beta2 * left + (1 - beta2) * of_rows
        right = beta2 * right + (1 - beta2) * of_columns
        if t == 0:
            q, p = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
            a, b = np.full(rows, initial), np.full(columns, initial)
        else:
            a = beta2 * a + (1 - beta2) * np.diag(q.T @ of_rows @ q)
            b = beta2 * b + (1 - beta2) * np.diag(p.T @ of_columns @ p)
            if t % every == 0:
                q, p = np.linalg.qr(left @ q)[0], np.linalg.qr(right @ p)[0]


def kl_shampoo(x, gradients, eta, lamda=0.01, beta1=0.9, beta2=0.98, eps=1e-8, matrix_eps=1e-8, initial=0.1, every=10, adam2=0.98):
    """Lin et al. 2025, "Understanding and Improving Shampoo and SOAP" (arXiv 2509.03378), KL-Shampoo with QR.

    Written from its authors' implementation, but that the ridge is relative, as in `shampoo`, and that M has the first gradient too.
    """
    if x.ndim == 2:
        directions = kl_shampoo_directions(gradients, beta1, beta2, matrix_eps, initial, every)
    else:
        directions = adam_directions(gradients, beta1, adam2, eps)
    yield from stepped(x, directions, eta, lamda)
