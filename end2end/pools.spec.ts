// A pool: its target is set or found by a policy, and the engine fills it.
import { expect, open, test } from './console'

test('a new target is shown with its effect, set, and filled', async ({ page }) => {
  await open(page, '/pools')
  await page.getByRole('link', { name: /europe/ }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Pool europe' })).toBeVisible()

  const setTarget = async (change: (before: number) => number) => {
    await page.getByRole('button', { name: 'Set target' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Target of pool europe' })
    const field = dialog.getByLabel('Databases kept ready')
    const before = Number(await field.inputValue())
    await field.fill(String(change(before)))
    await expect(dialog).toContainText(`${before} → ${change(before)}`)
    await dialog.getByLabel('Reason').fill('journey: another target')
    await dialog.getByRole('button', { name: 'Set target' }).click()
    await expect(dialog).toBeHidden()
    await expect(page.getByText(`of ${change(before)} wanted`)).toBeVisible()
    return before
  }

  const before = await setTarget((target) => target + 2)
  await expect(page.getByRole('listitem').filter({ hasText: 'journey: another target' }).first()).toContainText(`${before} → ${before + 2}`)
  await setTarget(() => before)
})

test('a policy is tried on the past while it is written, set, and removed', async ({ page }) => {
  await open(page, '/pools/europe')
  await page.getByRole('link', { name: 'Try a policy' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Policy of pool europe' })).toBeVisible()
  await expect(page.getByText('This policy would have run dry')).toBeVisible()
  await page.getByLabel('Hours of cover').fill('0.3')
  await page.getByLabel('Floor').fill('10')
  await page.getByLabel('Ceiling').fill('20')
  await expect(page).toHaveURL(/cover=0\.3&.*floor=10&ceiling=20/)
  await expect(page.getByText('Instead of a target that is set by hand: 18 min of cover')).toBeVisible()
  await page.getByLabel('Reason').fill('journey: a policy')
  await page.getByRole('button', { name: 'Set policy' }).click()
  await expect(page.getByText('This is the policy in force.')).toBeVisible()

  await page.getByRole('link', { name: 'To the pool' }).click()
  await expect(page.getByRole('region', { name: 'Sizing' })).toContainText('18 min at the p95 rate')
  await expect(page.getByRole('row').filter({ hasText: '18 min of cover at the p95 rate' }).first()).toBeVisible()
  await expect(page.getByRole('button', { name: 'Set target' }).first()).toBeDisabled()
  await page.getByRole('button', { name: 'Remove policy' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Remove the policy of pool europe?' })
  await dialog.getByLabel('Reason').fill('journey: by hand again')
  await dialog.getByRole('button', { name: 'Remove policy' }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('link', { name: 'Try a policy' })).toBeVisible()
})

test('a peak is added and removed', async ({ page }) => {
  await open(page, '/pools/standard')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  const add = page.getByRole('dialog', { name: 'A known peak of pool standard' })
  await add.getByLabel('Name').fill('Journey')
  await add.getByLabel('Days').fill('Sat, Sun')
  await add.getByLabel('How many').fill('35')
  await expect(add).toContainText('Sat, Sun 08:00–10:00 UTC: at least 35')
  await add.getByLabel('Reason').fill('journey: a peak')
  await add.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(add).toBeHidden()
  await expect(page.getByRole('listitem').filter({ hasText: 'Journey · Sat, Sun 08:00–10:00 UTC · at least 35' })).toBeVisible()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  const remove = page.getByRole('dialog', { name: 'Remove a known peak of pool standard?' })
  await remove.getByLabel('Which').selectOption({ label: 'Journey · Sat, Sun 08:00–10:00 UTC' })
  await remove.getByLabel('Reason').fill('journey: no peak')
  await remove.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(remove).toBeHidden()
  await expect(page.getByRole('listitem').filter({ hasText: 'Journey · Sat' }).filter({ hasNotText: 'journey: ' })).toHaveCount(0)
})

test('a changed template shows what it does and rolls out', async ({ page }) => {
  await open(page, '/pools/europe')
  await page.getByRole('button', { name: 'Edit template' }).click()
  const dialog = page.getByRole('dialog', { name: 'Template of pool europe' })
  const field = dialog.getByLabel('Largest compute, in CU')
  const wanted = (await field.inputValue()) === '1' ? '2' : '1'
  await field.fill(wanted)
  await expect(dialog).toContainText('are changed in place, oldest first')
  await dialog.getByLabel('Reason').fill('journey: another size')
  await dialog.getByRole('button', { name: 'Save template' }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('region', { name: 'Template' })).toContainText('All unclaimed databases are made of it.', { timeout: 60_000 })
})

test('a pool is paused and resumed, each with a reason', async ({ page }) => {
  await open(page, '/pools/standard')
  for (const [name, told] of [['Pause', 'Paused since'], ['Resume', '']]) {
    await page.getByRole('button', { name, exact: true }).first().click()
    const dialog = page.getByRole('dialog', { name: `${name} pool standard?` })
    await dialog.getByLabel('Reason').fill('journey: a pause')
    await dialog.getByRole('button', { name, exact: true }).click()
    await expect(dialog).toBeHidden()
    if (told) await expect(page.getByText(told)).toBeVisible()
    else await expect(page.getByText('Paused since')).toHaveCount(0)
  }
})

test('the chart goes back an hour, a day or a week, and reads as a table', async ({ page }) => {
  await open(page, '/pools/standard')
  await page.getByRole('link', { name: 'week', exact: true }).click()
  await expect(page).toHaveURL('/pools/standard?range=week')
  await expect(page.getByRole('link', { name: 'week', exact: true })).toHaveAttribute('aria-current', 'true')
  await page.getByText('Show as a table').first().click()
  await expect(page.getByRole('columnheader', { name: 'Available' })).toBeVisible()
})
